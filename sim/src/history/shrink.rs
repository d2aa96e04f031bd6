//! Makes a failing history small: sessions first, then events, then all that is cut and delayed.

use super::plan::Plan;
use super::run::{Counts, Failure, Pace, record, run};
use crate::race::Portions;
use crate::recordings;

/// A failing history, made small.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// How many events the seed gave, and which of them are left.
    pub events: usize,
    /// The events that are left.
    pub left: Vec<usize>,
    /// Nothing is cut or delayed in it.
    pub calm: bool,
    /// How it fails.
    pub failure: Failure,
    /// Where its connections were recorded, if that was asked for.
    pub recorded: Vec<String>,
}

/// Runs the history of a seed.
///
/// # Errors
/// The history made small.
pub fn check(seed: u64, length: usize) -> Result<Counts, Box<Found>> {
    let plan = Plan::new(seed, length);
    match run(&plan, &vec![true; plan.events.len()], Pace::Free) {
        Ok(counts) => Ok(counts),
        Err(failure) => Err(Box::new(shrink(&plan, failure))),
    }
}

/// Runs that are tried at most.
const TRIES: usize = 600;

/// Takes away what is not needed for the history to break the same invariant.
#[must_use]
pub fn shrink(plan: &Plan, failure: Failure) -> Found {
    let mut small = Small {
        plan,
        keep: (0..plan.events.len())
            .map(|at| at <= failure.step)
            .collect(),
        calm: false,
        failure,
        tries: 0,
    };
    for session in 0..plan.swarm.sessions.len() {
        let others = |at: usize| plan.events[at].session != session;
        let keep = small.with(|at, keep| keep && others(at));
        small.attempt(keep, false);
    }
    let mut size = plan.events.len().div_ceil(2);
    while size > 0 {
        for from in (0..plan.events.len()).step_by(size) {
            let keep = small.with(|at, keep| keep && !(from..from + size).contains(&at));
            small.attempt(keep, false);
        }
        size /= 2;
    }
    let keep = small.keep.clone();
    small.attempt(keep, true);
    if small.calm {
        for at in 0..plan.events.len() {
            let keep = small.with(|i, keep| keep && i != at);
            small.attempt(keep, true);
        }
    }
    let left = (0..plan.events.len()).filter(|at| small.keep[*at]);
    Found {
        seed: plan.seed,
        events: plan.events.len(),
        left: left.collect(),
        calm: small.calm,
        failure: small.failure,
        recorded: recordings::keep(&format!("seed{}", plan.seed), || {
            record(plan, &small.keep, pace(small.calm))
        }),
    }
}

fn pace(calm: bool) -> Pace {
    match calm {
        true => Pace::Calm(Portions::Whole),
        false => Pace::Free,
    }
}

struct Small<'a> {
    plan: &'a Plan,
    keep: Vec<bool>,
    calm: bool,
    failure: Failure,
    tries: usize,
}

impl Small<'_> {
    fn with(&self, keep: impl Fn(usize, bool) -> bool) -> Vec<bool> {
        let all = self.keep.iter().enumerate();
        all.map(|(at, was)| keep(at, *was)).collect()
    }

    /// Goes on with less if that fails in the same way.
    fn attempt(&mut self, keep: Vec<bool>, calm: bool) {
        let same = keep == self.keep && calm == self.calm;
        if same || self.tries >= TRIES || (self.calm && !calm) {
            return;
        }
        self.tries += 1;
        if let Err(failure) = run(self.plan, &keep, pace(calm))
            && kind(&failure.wrong) == kind(&self.failure.wrong)
        {
            (self.keep, self.calm, self.failure) = (keep, calm, failure);
        }
    }
}

impl Found {
    /// What was wrong, its numbers left out.
    #[must_use]
    pub fn kind(&self) -> String {
        let wrong = self.failure.wrong.chars();
        wrong.filter(|c| !c.is_ascii_digit()).take(50).collect()
    }
}

/// The invariant that was broken.
fn kind(wrong: &str) -> &str {
    wrong.split(':').next().unwrap_or(wrong)
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let log = &self.failure.log;
        writeln!(
            f,
            "seed {}, event {} of {}",
            self.seed, self.failure.step, self.events
        )?;
        writeln!(
            f,
            "made small to {} events{}: {:?}",
            self.left.len(),
            if self.calm {
                ", nothing cut or delayed"
            } else {
                ""
            },
            self.left
        )?;
        for line in &log[log.len().saturating_sub(200)..] {
            writeln!(f, "{line}")?;
        }
        for line in &self.recorded {
            writeln!(f, "{line}")?;
        }
        write!(f, "{}", self.failure.wrong)
    }
}
