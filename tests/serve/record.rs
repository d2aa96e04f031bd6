//! `[record]` and `pillarbox replay`: what a server was asked plays again on another day.

use std::os::unix::fs::PermissionsExt;

use super::harness::{Folder, PLAIN, Server, pillarbox};
use super::on_each_runtime;

#[test]
fn a_recorded_connection_plays_again_and_holds_no_secret() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("record-{runtime}"));
        let config = format!("{PLAIN}[record]\nfolder = \"recordings\"\nmax_files = 2\n");
        folder.write("pillarbox.toml", &config);
        folder.account(&["add", "annabella"], "open-sesame-please\n");
        let server = Server::start(&folder, &config, &["--runtime", runtime]);
        server.wait_for_lines(&["event=recording"], 1);
        let mut lengths = Vec::new();
        for _ in 0..3 {
            let mut client = server.connect(0);
            let mut said = client.line();
            for command in [
                "a LOGIN annabella open-sesame-please",
                "b APPEND INBOX {26+}\r\nSubject: private-subject\r\n",
                "c SELECT INBOX",
                "d FETCH 1 (ENVELOPE BODY[])",
                "e LOGOUT",
            ] {
                said.push_str(&client.command(command));
            }
            assert!(said.contains("private-subject"), "{said}");
            lengths.push(format!(" {} to it, ", said.len()));
        }
        server.wait_for_lines(&["event=recorded"], 2);
        server.wait_for_lines(&["event=not_recorded"], 1);
        server.terminate();
        let files = std::fs::read_dir(folder.path().join("recordings")).unwrap();
        let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2);
        for path in files {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let text = std::fs::read_to_string(&path).unwrap();
            for secret in ["sesame", "private", "annabella"] {
                assert!(!text.contains(secret), "{secret} in\n{text}");
            }
            let path = path.to_string_lossy();
            let (code, out, error) = pillarbox(&["replay", "--transcript", &path], "");
            assert_eq!((code, &*error), (0, ""), "{out}");
            let whole = lengths.iter().any(|octets| out.contains(octets));
            assert!(whole && out.contains("\nidentical: "), "{lengths:?}\n{out}");
            assert!(
                out.contains("C: c SELECT INBOX\\r\\n\nS: * FLAGS "),
                "{out}"
            );

            let cut = folder.write("cut", text.rsplit_once("\nend ").unwrap().0);
            let cut = cut.to_string_lossy();
            let (code, _, error) = pillarbox(&["replay", &cut], "");
            assert_eq!(code, 1);
            assert!(
                error.starts_with("pillarbox: ") && error.contains("the recording is cut"),
                "{error}"
            );
            let (code, out, _) = pillarbox(&["replay", "--unfinished", &cut], "");
            assert!(code == 0 && out.starts_with("identical: "), "{out}");
            let other = folder.write("other", &text.replacen("recording 4", "recording 0", 1));
            let (code, _, error) = pillarbox(&["replay", &other.to_string_lossy()], "");
            assert!(
                code == 1 && error.contains("recording of format 0"),
                "{error}"
            );
        }
    });
}
