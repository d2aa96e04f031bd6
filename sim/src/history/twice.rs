//! The same history run twice, with a difference that may make none: in another account, in the wall clock, in how octets are cut.

use super::plan::{Action, Plan};
use super::run::{Failure, Pace, transcript};
use crate::race::Portions;

/// INV-28, INV-37: what one account's clients are told is the same, whatever those of another do, stalled ones among them, and so is the work it takes: how often
/// the store is asked. Gives the lines compared.
///
/// # Errors
/// Where they differ, or what was wrong in a run.
pub fn isolated(seed: u64, length: usize) -> Result<usize, String> {
    let mut plan = plan(seed, length);
    plan.swarm.accounts = 2;
    for (at, session) in plan.swarm.sessions.iter_mut().enumerate() {
        session.0 = at % 2;
    }
    let ours = |session: usize| session.is_multiple_of(2);
    // What touches everyone is done by ours alone.
    let shared = |action| matches!(action, Action::Compare | Action::Jump);
    let both = plan
        .events
        .iter()
        .map(|e| ours(e.session) || !shared(e.action));
    let both: Vec<bool> = both.collect();
    let alone: Vec<bool> = plan.events.iter().map(|e| ours(e.session)).collect();
    let calm = Pace::Calm(Portions::Whole);
    let run = |keep: &[bool]| transcript(&plan, keep, calm, ours).map_err(|f| said(seed, &f));
    let (both, alone) = (run(&both)?, run(&alone)?);
    let lines = same(seed, &both.0, &alone.0)?;
    match both.1 == alone.1 {
        true => Ok(lines),
        false => Err(format!(
            "seed {seed}: INV-37: the store is asked {:?} times, and {:?} times beside others",
            alone.1, both.1
        )),
    }
}

/// INV-40: the wall clock changes no order, no UID, no modification sequence.
///
/// # Errors
/// Where the runs differ, or what was wrong in one.
pub fn timeless(seed: u64, length: usize) -> Result<usize, String> {
    let plan = plan(seed, length);
    let mut still = plan.clone();
    still.swarm.jumps = false;
    let all = vec![true; plan.events.len()];
    let calm = Pace::Calm(Portions::Whole);
    let run = |plan: &Plan| transcript(plan, &all, calm, |_| true).map_err(|f| said(seed, &f));
    same(seed, &run(&plan)?.0, &run(&still)?.0)
}

/// How octets are cut changes nothing that is said.
///
/// # Errors
/// Where the runs differ, or what was wrong in one.
pub fn uncut(seed: u64, length: usize) -> Result<usize, String> {
    uncut_plan(&Plan::new(seed, length))
}

/// The same of a plan.
///
/// # Errors
/// Where the runs differ, or what was wrong in one.
pub fn uncut_plan(plan: &Plan) -> Result<usize, String> {
    let plan = roomy(plan.clone());
    let all = vec![true; plan.events.len()];
    let run = |portions| {
        let calm = Pace::Calm(portions);
        transcript(&plan, &all, calm, |_| true).map_err(|f| said(plan.seed, &f))
    };
    same(
        plan.seed,
        &run(Portions::Whole)?.0,
        &run(Portions::Single)?.0,
    )
}

fn plan(seed: u64, length: usize) -> Plan {
    roomy(Plan::new(seed, length))
}

/// Nothing fails by itself, and there is room for what is not read: how much is held would show.
fn roomy(mut plan: Plan) -> Plan {
    plan.swarm.faults = 0;
    plan.swarm.high_water = 256 << 10;
    plan
}

fn said(seed: u64, failure: &Failure) -> String {
    let log = &failure.log;
    let last = log[log.len().saturating_sub(60)..].join("\n");
    format!("seed {seed}: {last}\n{}", failure.wrong)
}

fn same(seed: u64, one: &[String], other: &[String]) -> Result<usize, String> {
    let (one, other) = (plain(one), plain(other));
    match one.iter().zip(&other).position(|(a, b)| a != b) {
        None if one.len() == other.len() => Ok(one.len()),
        at => {
            let at = at.unwrap_or(one.len().min(other.len()));
            let before = one[at.saturating_sub(20)..at].join("\n");
            Err(format!(
                "seed {seed}:\n{before}\none run says {:?}\nthe other    {:?}",
                one.get(at),
                other.get(at)
            ))
        }
    }
}

/// What was said, without the dates the clock gave, and with identities numbered as they come: those are opaque (RFC 8474 §7), and given store-wide.
fn plain(said: &[String]) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    said.iter()
        .map(|line| {
            let mut line = line.clone();
            if let Some((head, rest)) = line.split_once("INTERNALDATE ") {
                let rest = rest.splitn(3, '"').nth(2).unwrap_or(rest);
                line = format!("{head}INTERNALDATE{rest}");
            }
            let parts: Vec<String> = line
                .split('(')
                .map(|part| match part.split_once(')') {
                    Some((id, rest)) if is_identity(id) => {
                        let at = known.iter().position(|k| k == id).unwrap_or_else(|| {
                            known.push(id.to_owned());
                            known.len() - 1
                        });
                        format!("#{at}){rest}")
                    }
                    _ => part.to_owned(),
                })
                .collect();
            parts.join("(")
        })
        .collect()
}

fn is_identity(text: &str) -> bool {
    text.strip_prefix(['F', 'M', 'T'])
        .is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
