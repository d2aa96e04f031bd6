//! Whatever several clients do at once, however their octets are cut, and in whatever order effects, replies and notices come: what each client believes, which
//! knows only what it was told, is what a model of the account says; and how octets are cut changes nothing that is said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_sim::history::{Pace, Plan, run, uncut_plan};

fuzz_target!(|octets: &[u8]| {
    let Some(plan) = Plan::read(octets) else {
        return;
    };
    let all = vec![true; plan.events.len()];
    if let Err(failure) = run(&plan, &all, Pace::Free) {
        panic!("{}\n{}", failure.log.join("\n"), failure.wrong);
    }
    if let Err(wrong) = uncut_plan(&plan) {
        panic!("{wrong}");
    }
});
