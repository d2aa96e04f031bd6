//! Every script under `scripts/`, in every chunking.

use std::collections::BTreeSet;

use pillarbox_sim::{Script, all_scripts};

#[test]
fn every_script() {
    let scripts = all_scripts().unwrap_or_else(|f| panic!("{f}"));
    let failures: Vec<_> = scripts
        .iter()
        .filter_map(|s| s.run().err())
        .map(|f| f.to_string())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} scripts failed:\n{}",
        failures.len(),
        scripts.len(),
        failures.join("\n")
    );
    println!("{} scripts, 13 chunkings each", scripts.len());
}

#[test]
fn every_script_has_a_name_of_its_own() {
    let scripts = all_scripts().unwrap_or_else(|f| panic!("{f}"));
    let names: BTreeSet<_> = scripts.iter().map(Script::name).collect();
    assert_eq!(names.len(), scripts.len());
    assert!(scripts.len() >= 400, "scripts are missing");
}
