//! interimap, which lives on QRESYNC: two servers, one on each runtime, are kept the same.

use crate::demo::{Demo, Folder, run, text};

const SCRIPT: &str = include_str!("two_servers.py");

#[test]
fn two_servers_become_one() {
    let folder = Folder::new("interimap");
    let near = Demo::start(&[]);
    #[cfg(feature = "runtime-smol")]
    let far = Demo::start(&["--runtime", "smol", "--store", &folder.join("store")]);
    #[cfg(not(feature = "runtime-smol"))]
    let far = Demo::start(&["--store", &folder.join("store")]);
    let script = |what: &str| {
        let (near, far) = (near.tls.to_string(), far.tls.to_string());
        let said = text(&run(&["python3", "-c", SCRIPT, what, &near, &far]));
        said.trim_end().to_owned()
    };
    script("fill");
    sync(&folder, &near, &far);
    assert_eq!(
        script("compare"),
        "124",
        "60 of each, and two from each demo"
    );
    script("change");
    sync(&folder, &near, &far);
    let count: u32 = script("compare").parse().expect("a count");
    assert!(count > 124, "more came than went: {count}");
    let before = state(&near) + &state(&far);
    sync(&folder, &near, &far);
    assert_eq!(
        state(&near) + &state(&far),
        before,
        "nothing was left to do"
    );
    near.terminate();
    far.terminate();
}

fn state(demo: &Demo) -> String {
    let list = "LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT HIGHESTMODSEQ))";
    text(&demo.curl_tls("", &["-X", list]))
}

fn sync(folder: &Folder, near: &Demo, far: &Demo) {
    let server = |demo: &Demo| {
        format!(
            "type = imaps\nhost = localhost\nport = {}\nusername = user\npassword = pass\nSSL_verify = NO\ncompress = NO\n",
            demo.tls
        )
    };
    let configuration = format!(
        "database = {}\nlist-mailbox = *\n[local]\n{}[remote]\n{}",
        folder.join("state.db"),
        server(near),
        server(far)
    );
    let path = folder.join("interimap.conf");
    std::fs::write(&path, configuration).expect("the folder can be written");
    let home = format!("HOME={}", folder.path().display());
    run(&[
        "env",
        &home,
        "interimap",
        "--quiet",
        &format!("--config={path}"),
    ]);
}
