use super::super::check::tests::{FREE, assert_same_work, sign_in, unknown_to_wrong};
use super::*;
use pillarbox_core::effect::ErrorKind;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn cheap(password: &str) -> String {
    hash::hash_at_cost(password.as_bytes(), 64, 1).unwrap()
}

#[test]
fn accounts_survive_and_identities_are_never_reused() {
    let folder = Folder::new("accounts");
    let table = AccountTable::open(&folder.0).unwrap();
    let ann = table.add("ann", &cheap("a")).unwrap();
    let bob = table.add("bob", &cheap("b")).unwrap();
    assert!(bob > ann);
    assert_eq!(table.remove("bob").unwrap(), bob);
    assert!(matches!(
        AccountTable::open(&folder.0),
        Err(AccountError::InUse(_))
    ));
    drop(table);
    let table = AccountTable::open(&folder.0).unwrap();
    assert!(matches!(
        table.add("ann", &cheap("x")),
        Err(AccountError::Exists(_))
    ));
    assert!(table.add("bob", &cheap("b")).unwrap() > bob);
    assert_eq!(table.set_enabled("ann", false).unwrap(), ann);
    let list = table.list();
    assert_eq!(list.len(), 2);
    assert!(list[0].name == "ann" && list[0].id == ann && !list[0].enabled && list[1].enabled);
    assert!(matches!(table.remove("eve"), Err(AccountError::Unknown(_))));
    assert!(matches!(table.add("eve", "plain"), Err(AccountError::Hash)));
    for bad in ["", "a b", "a:b", "a\n", "\u{1b}", &"x".repeat(256)] {
        assert!(matches!(
            table.add(bad, &cheap("x")),
            Err(AccountError::Name(_))
        ));
    }
}

#[test]
fn an_unknown_user_takes_the_work_of_a_wrong_password() {
    let folder = Folder::new("work");
    let table = Arc::new(AccountTable::open(&folder.0).unwrap());
    for name in ["ann", "bob"] {
        let hash = hash::hash_at_cost(b"right", 1024, 1).unwrap();
        table.add(name, &hash).unwrap();
    }
    assert_same_work(unknown_to_wrong(table, "ann"));
}

#[test]
fn changes_count_at_the_next_sign_in() {
    let folder = Folder::new("sign-in");
    let table = Arc::new(AccountTable::open(&folder.0).unwrap());
    let accounts = StoredAccounts::with_costs(table.clone(), FREE).unwrap();
    sign_in(&accounts, "ann", "").unwrap_err();
    let ann = table.add("ann", &cheap("a")).unwrap();
    assert_eq!(sign_in(&accounts, "ann", "a").unwrap().id, ann);
    table.set_hash("ann", &cheap("b")).unwrap();
    sign_in(&accounts, "ann", "a").unwrap_err();
    assert!(accounts.admits(ann));
    table.set_enabled("ann", false).unwrap();
    assert!(!accounts.admits(ann));
    let error = sign_in(&accounts, "ann", "b").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Disabled);
    table.set_enabled("ann", true).unwrap();
    sign_in(&accounts, "ann", "b").unwrap();
    table.remove("ann").unwrap();
    assert!(!accounts.admits(ann));
    sign_in(&accounts, "ann", "b").unwrap_err();
}

#[test]
fn the_identity_of_a_removed_account_is_given_again_only_when_it_is_asked_for() {
    let folder = Folder::new("again");
    let table = AccountTable::open(&folder.0).unwrap();
    let old = table.add("ann", &cheap("a")).unwrap();
    let taken = |id| matches!(table.add_again("bob", &cheap("b"), id), Err(AccountError::Identity(i)) if i == id);
    assert!(taken(old), "it is there");
    assert!(taken(AccountId(old.0 + 1)), "it was never given");
    table.remove("ann").unwrap();
    assert!(table.was_removed(old));
    let new = table.add("ann", &cheap("a")).unwrap();
    assert_ne!(new, old);
    let exists = table.add_again("ann", &cheap("a"), old);
    assert!(matches!(exists, Err(AccountError::Exists(_))));
    table.add_again("old-ann", &cheap("a"), old).unwrap();
    assert!(!table.was_removed(old) && taken(old) && taken(new));
    drop(table);
    let table = AccountTable::open(&folder.0).unwrap();
    let ids: Vec<_> = table.list().into_iter().map(|l| (l.name, l.id)).collect();
    assert_eq!(ids, [("ann".into(), new), ("old-ann".into(), old)]);
}

/// What the file says to one who opens it, and what the table goes by.
fn both(folder: &Path, table: &AccountTable) -> [String; 2] {
    let text = std::fs::read_to_string(folder.join(FILE)).unwrap();
    [text, table.state().render()]
}

#[test]
fn a_change_that_is_not_durable_is_taken_back_or_is_there_in_memory_too() {
    let folder = Folder::new("unsure");
    // What becomes of a sync: it works, it fails, it fails and nothing can be put in place of the file afterwards.
    let disk = Arc::new(Mutex::new(0));
    let state = disk.clone();
    let sync = move |path: &Path| match *lock(&state) {
        0 => Ok(()),
        1 => Err(io::Error::other("no sync")),
        _ => {
            std::fs::create_dir(path.join("accounts.new"))?;
            Err(io::Error::other("no sync"))
        }
    };
    let table = AccountTable::open_on(folder.0.clone(), Box::new(sync)).unwrap();
    let ann = table.add("ann", &cheap("a")).unwrap();
    let before = table.state().render();

    *lock(&disk) = 1;
    let refused = [
        table.add("bob", &cheap("b")).unwrap_err(),
        table.set_enabled("ann", false).unwrap_err(),
        table.remove("ann").unwrap_err(),
    ];
    let is_io = |e: &AccountError| matches!(e, AccountError::Io { .. });
    assert!(refused.iter().all(is_io), "{refused:?}");
    assert_eq!(both(&folder.0, &table), [before.clone(), before]);

    *lock(&disk) = 2;
    let unsure = table.set_enabled("ann", false).unwrap_err();
    assert!(matches!(unsure, AccountError::Unsure { .. }), "{unsure:?}");
    let [file, memory] = both(&folder.0, &table);
    assert!(file == memory && file.contains(" disabled ann "), "{file}");
    // Nothing can be written now: what is there stays.
    table.set_enabled("ann", true).unwrap_err();
    assert_eq!(both(&folder.0, &table), [file.clone(), file]);

    std::fs::remove_dir(folder.0.join("accounts.new")).unwrap();
    *lock(&disk) = 0;
    assert_eq!(table.set_enabled("ann", true).unwrap(), ann);
    let [file, memory] = both(&folder.0, &table);
    assert!(file == memory && file.contains(" enabled ann "), "{file}");
}

#[test]
fn a_damaged_or_newer_file_is_refused_and_not_taken_for_an_empty_one() {
    let folder = Folder::new("damaged");
    let table = AccountTable::open(&folder.0).unwrap();
    table.add("ann", &cheap("a")).unwrap();
    drop(table);
    let path = folder.0.join(FILE);
    let whole = std::fs::read_to_string(&path).unwrap();
    for cut in 0..whole.len() - 1 {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(AccountTable::open(&folder.0).is_err(), "{cut} octets");
    }
    std::fs::write(&path, format!("{whole}x")).unwrap();
    assert!(
        AccountTable::open(&folder.0).is_err(),
        "more than was written"
    );
    std::fs::write(&path, whole.replace("accounts 1", "accounts 2")).unwrap();
    assert!(matches!(
        AccountTable::open(&folder.0),
        Err(AccountError::Newer(_))
    ));
    let last = whole.lines().nth(1).unwrap();
    std::fs::write(&path, whole.replace(last, &format!("next {}", u64::MAX))).unwrap();
    let error = AccountTable::open(&folder.0).map(drop).unwrap_err();
    assert!(
        matches!(error, AccountError::Damaged { line: 2, .. }),
        "no identity is left"
    );
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(AccountTable::open(&folder.0).unwrap().list().len(), 1);
}

#[test]
fn format_1_goes_on_opening() {
    let folder = Folder::new("format-1");
    std::fs::create_dir_all(&folder.0).unwrap();
    let golden = "pillarbox-accounts 1\nnext 9\n3 enabled ann $argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$\
                  I0Eu7T8bPkK0H0zoYJHn5kUuG5lJX0R8d5nUk8n3n2Q\nend 1\n";
    std::fs::write(folder.0.join(FILE), golden).unwrap();
    let table = AccountTable::open(&folder.0).unwrap();
    assert_eq!(table.list()[0].id, AccountId(3));
    assert_eq!(table.state().render(), golden);
}
