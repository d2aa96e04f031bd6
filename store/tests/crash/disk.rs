//! A disk in memory that knows what was synced, and what may be left of the rest after a crash.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use crate::log::Step;
use crate::random::Random;

/// Files by path below the root; `None`: a folder.
pub type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Which syncs do what they say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syncs {
    Honest,
    /// None does anything.
    Lost,
    /// Those of packs do nothing.
    LostOnPacks,
    /// Those of folders do nothing.
    LostOnFolders,
}

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    All,
    /// The process died, the machine did not.
    Nothing,
    /// What came after some moment, and part of the write at that moment.
    Later,
    /// Each file and folder by itself: all or nothing.
    Whole,
    /// Each sector of each write by itself, lengths and names too.
    Any,
}

/// What a failed sync costs: some of all, what came after some moment, everything.
const FAILED: [Loss; 4] = [Loss::Any, Loss::Any, Loss::Later, Loss::All];

/// The disk below a root.
pub struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
    open: BTreeMap<i32, usize>,
    time: u64,
    syncs: Syncs,
    random: Random,
}

/// A folder's names or a file's octets.
type Found = Result<BTreeMap<String, usize>, Vec<u8>>;

enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Default)]
struct File {
    now: Vec<u8>,
    safe: Vec<u8>,
    loose: Vec<(u64, Change)>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Bytes),
    Length(u64),
}

#[derive(Default)]
struct Folder {
    now: BTreeMap<String, usize>,
    safe: BTreeMap<String, usize>,
    loose: Vec<(u64, Names)>,
}

#[derive(Clone)]
enum Names {
    Put(String, usize),
    Take(String),
    Move(String, String),
}

impl Disk {
    /// A disk with these files below `root`, all of them safe.
    pub fn new(root: &Path, image: &Image, syncs: Syncs, random: Random) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            nodes: vec![Node::Folder(Folder::default())],
            open: BTreeMap::new(),
            time: 0,
            syncs,
            random,
        };
        for (path, octets) in image {
            let node = match octets {
                None => Node::Folder(Folder::default()),
                Some(octets) => Node::File(File {
                    now: octets.clone(),
                    safe: octets.clone(),
                    loose: Vec::new(),
                }),
            };
            let path = disk.root.join(path);
            disk.link(&path, node);
        }
        for node in &mut disk.nodes {
            if let Node::Folder(folder) = node {
                folder.safe = folder.now.clone();
                folder.loose.clear();
            }
        }
        disk
    }

    /// Does one step.
    pub fn step(&mut self, step: &Step) {
        self.time += 1;
        match step {
            Step::Open(fd, flags, path) => self.opened(*fd, *flags, path),
            Step::Close(fd) => drop(self.open.remove(fd)),
            Step::Write(fd, at, octets) => self.change(*fd, Change::Write(*at, octets.clone())),
            Step::Length(fd, len) => self.change(*fd, Change::Length(*len)),
            Step::Sync(fd, true) => self.synced(*fd),
            Step::Sync(fd, false) => self.sync_failed(*fd),
            Step::Rename(from, to) => {
                let (folder, to) = (self.parent(from), name(to));
                self.names(folder, Names::Move(name(from), to));
            }
            Step::Unlink(path) | Step::RemoveDir(path) => {
                let folder = self.parent(path);
                self.names(folder, Names::Take(name(path)));
            }
            Step::MakeDir(path) => drop(self.link(path, Node::Folder(Folder::default()))),
        }
    }

    fn opened(&mut self, fd: i32, flags: i64, path: &Path) {
        let node = match self.find(path) {
            Some(node) => node,
            None => self.link(path, Node::File(File::default())),
        };
        self.open.insert(fd, node);
        // O_TRUNC, the same on every architecture of Linux that this runs on.
        if flags & 0o1000 != 0 {
            self.change(fd, Change::Length(0));
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let below = path.strip_prefix(&self.root).unwrap();
        let mut at = 0;
        for part in below.components() {
            let Component::Normal(part) = part else {
                panic!("{path:?} is not plain");
            };
            let Node::Folder(folder) = &self.nodes[at] else {
                panic!("{path:?} goes through a file");
            };
            at = *folder.now.get(part.to_str().unwrap())?;
        }
        Some(at)
    }

    fn parent(&self, path: &Path) -> usize {
        let parent = self.find(path.parent().unwrap());
        parent.unwrap_or_else(|| panic!("{path:?} is in a folder that is not there"))
    }

    fn link(&mut self, path: &Path, node: Node) -> usize {
        let folder = self.parent(path);
        self.nodes.push(node);
        let new = self.nodes.len() - 1;
        self.names(folder, Names::Put(name(path), new));
        new
    }

    fn names(&mut self, folder: usize, change: Names) {
        if let Node::Folder(folder) = &mut self.nodes[folder] {
            apply_names(&mut folder.now, &change);
            folder.loose.push((self.time, change));
        }
    }

    fn change(&mut self, fd: i32, change: Change) {
        if let Node::File(file) = &mut self.nodes[self.open[&fd]] {
            apply(&mut file.now, &change);
            file.loose.push((self.time, change));
        }
    }

    fn synced(&mut self, fd: i32) {
        let node = self.open[&fd];
        let is_folder = matches!(self.nodes[node], Node::Folder(_));
        let lost = match self.syncs {
            Syncs::Honest => false,
            Syncs::Lost => true,
            Syncs::LostOnPacks => self.find(&self.root.join("store/packs")).is_some_and(
                |p| matches!(&self.nodes[p], Node::Folder(f) if f.now.values().any(|n| *n == node)),
            ),
            Syncs::LostOnFolders => is_folder,
        };
        if lost {
            return;
        }
        match &mut self.nodes[node] {
            Node::File(file) => {
                let loose = std::mem::take(&mut file.loose);
                loose.iter().for_each(|(_, c)| apply(&mut file.safe, c));
            }
            Node::Folder(folder) => {
                folder.loose.clear();
                folder.safe = folder.now.clone();
            }
        }
    }

    /// The kernel says so once and takes the pages for clean: what did not get to the disk never will, and programs see it until the power goes.
    fn sync_failed(&mut self, fd: i32) {
        let node = self.open[&fd];
        let mut random = self.random.fork();
        if let Node::File(file) = &mut self.nodes[node] {
            let loose = std::mem::take(&mut file.loose);
            let some = random.below(loose.len().max(1) as u64) as usize;
            let until = loose.get(some).map_or(0, |(time, _)| *time);
            let loss = FAILED[random.below(FAILED.len() as u64) as usize];
            file.safe = survivors(&file.safe, &loose, loss, until, &mut random);
        }
    }

    /// What programs see.
    pub fn image(&self) -> Image {
        let mut image = Image::new();
        self.walk(0, Path::new(""), &mut image, &mut |node| match node {
            Node::File(file) => Err(file.now.clone()),
            Node::Folder(folder) => Ok(folder.now.clone()),
        });
        image
    }

    /// What may be there after a crash now.
    pub fn crash(&self, loss: Loss, random: &mut Random) -> Image {
        let until = random.below(200).min(self.time);
        let until = self.time - until;
        let mut image = Image::new();
        self.walk(0, Path::new(""), &mut image, &mut |node| match node {
            Node::File(f) => Err(survivors(&f.safe, &f.loose, loss, until, random)),
            Node::Folder(folder) => Ok(left(folder, loss, until, random)),
        });
        image
    }

    fn walk(
        &self,
        node: usize,
        path: &Path,
        image: &mut Image,
        read: &mut dyn FnMut(&Node) -> Found,
    ) {
        match read(&self.nodes[node]) {
            Err(octets) => drop(image.insert(path.to_owned(), Some(octets))),
            Ok(names) => {
                if !path.as_os_str().is_empty() {
                    image.insert(path.to_owned(), None);
                }
                for (name, node) in names {
                    self.walk(node, &path.join(name), image, read);
                }
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn apply_names(names: &mut BTreeMap<String, usize>, change: &Names) {
    match change {
        Names::Put(name, node) => drop(names.insert(name.clone(), *node)),
        Names::Take(name) => drop(names.remove(name)),
        Names::Move(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
    }
}

fn apply(octets: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(len) => octets.resize(*len as usize, 0),
        Change::Write(at, new) => put(octets, *at as usize, new),
    }
}

fn put(octets: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if octets.len() < end {
        octets.resize(end, 0);
    }
    octets[at..end].copy_from_slice(new);
}

fn left(folder: &Folder, loss: Loss, until: u64, random: &mut Random) -> BTreeMap<String, usize> {
    let mut names = folder.safe.clone();
    let whole = random.coin();
    for (time, change) in &folder.loose {
        let there = match loss {
            Loss::All => false,
            Loss::Nothing => true,
            Loss::Later => *time < until,
            Loss::Whole => whole,
            Loss::Any => random.coin(),
        };
        if there {
            apply_names(&mut names, change);
        }
    }
    names
}

fn survivors(
    safe: &[u8],
    loose: &[(u64, Change)],
    loss: Loss,
    until: u64,
    random: &mut Random,
) -> Vec<u8> {
    let mut octets = safe.to_vec();
    let whole = random.coin();
    let sector = if random.coin() { 512 } else { 4096 };
    let odds = [1, 8, 15][random.below(3) as usize];
    for (time, change) in loose {
        match loss {
            Loss::All => {}
            Loss::Later if *time > until => {}
            Loss::Whole if !whole => {}
            Loss::Nothing | Loss::Whole => apply(&mut octets, change),
            Loss::Later if *time < until => apply(&mut octets, change),
            Loss::Later => torn(&mut octets, change, sector, 8, random),
            Loss::Any => torn(&mut octets, change, sector, odds, random),
        }
    }
    octets
}

/// Each sector is written with odds of so many sixteenths; where the file grew and nothing was written are zeros or what was there before.
fn torn(octets: &mut Vec<u8>, change: &Change, sector: usize, odds: u64, random: &mut Random) {
    let Change::Write(at, new) = change else {
        if random.coin() {
            apply(octets, change);
        }
        return;
    };
    let (at, end) = (*at as usize, *at as usize + new.len());
    let stale = octets.clone();
    let mut from = at;
    while from < end {
        let to = ((from / sector + 1) * sector).min(end);
        if random.below(16) < odds {
            let before = octets.len();
            put(octets, from, &new[from - at..to - at]);
            if before < from {
                fill(&mut octets[before..from], &stale, random);
            }
        }
        from = to;
    }
    let before = octets.len();
    if before < end && random.coin() {
        octets.resize(end, 0);
        fill(&mut octets[before..], &stale, random);
    }
}

fn fill(hole: &mut [u8], stale: &[u8], random: &mut Random) {
    match random.below(4) {
        0 => hole.iter_mut().for_each(|b| *b = random.below(256) as u8),
        1 if !stale.is_empty() => {
            let from = random.below(stale.len() as u64) as usize;
            let len = hole.len().min(stale.len() - from);
            hole[..len].copy_from_slice(&stale[from..from + len]);
        }
        _ => {}
    }
}
