//! Every script under `scripts/`, in every chunking.

use std::path::Path;

use pillarbox_sim::Script;

#[test]
fn every_script() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    assert!(
        paths.len() >= 20,
        "scripts are missing from {}",
        folder.display()
    );
    let mut failures = Vec::new();
    let mut count = 0;
    for path in &paths {
        let name = path.file_name().unwrap().to_string_lossy();
        let text = std::fs::read_to_string(path).unwrap();
        let scripts = Script::parse(&name, &text).unwrap_or_else(|f| panic!("{f}"));
        count += scripts.len();
        failures.extend(
            scripts
                .iter()
                .filter_map(|s| s.run().err())
                .map(|f| f.to_string()),
        );
    }
    assert!(
        failures.is_empty(),
        "{} of {count} scripts failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    println!("{count} scripts, 13 chunkings each");
}
