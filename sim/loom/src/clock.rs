//! Time as the models have it, and loom's locks with it: who waits for so long waits until it is woken, or is always too late.

use std::ops::{Add, Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use loom::sync as loom;

/// Nanoseconds since the model began. Loom runs a model's threads one at a time, and a schedule again as it was.
static NOW: AtomicU64 = AtomicU64::new(0);
static PASSES: AtomicBool = AtomicBool::new(false);

/// From here on a wait is never over by itself.
pub fn begin() {
    NOW.store(0, Ordering::SeqCst);
    PASSES.store(false, Ordering::SeqCst);
}

/// From here on each wait is over by itself, after others had their turn; but not what is as good as endless.
pub fn passes() {
    PASSES.store(true, Ordering::SeqCst);
}

/// As good as endless.
pub const ENDLESS: Duration = Duration::from_secs(3000);

/// A moment of the models' time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Instant(Duration);

impl Instant {
    pub fn now() -> Self {
        Self(Duration::from_nanos(NOW.load(Ordering::SeqCst)))
    }

    pub fn duration_since(self, earlier: Self) -> Duration {
        self.0.checked_sub(earlier.0).expect("time goes on")
    }

    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

/// Loom's, whose guards know where they are from.
#[derive(Debug, Default)]
pub struct Mutex<T>(loom::Mutex<T>);

#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    guard: loom::MutexGuard<'a, T>,
    of: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(loom::Mutex::new(value))
    }

    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.guarded(self.0.lock())
    }

    fn guarded<'a>(
        &'a self,
        locked: LockResult<loom::MutexGuard<'a, T>>,
    ) -> LockResult<MutexGuard<'a, T>> {
        match locked {
            Ok(guard) => Ok(MutexGuard { guard, of: self }),
            Err(poisoned) => Err(PoisonError::new(MutexGuard {
                guard: poisoned.into_inner(),
                of: self,
            })),
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

#[derive(Debug, Default)]
pub struct Condvar(loom::Condvar);

impl Condvar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let of = guard.of;
        of.guarded(self.0.wait(guard.guard))
    }

    /// Says nothing of whether the time is over: who waits looks again.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        let woken = if time < ENDLESS && PASSES.load(Ordering::SeqCst) {
            let of = guard.of;
            drop(guard);
            ::loom::thread::yield_now();
            let time = u64::try_from(time.as_nanos()).expect("it is less than centuries");
            NOW.fetch_add(time, Ordering::SeqCst);
            of.lock()
        } else {
            self.wait(guard)
        };
        match woken {
            Ok(guard) => Ok((guard, ())),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), ()))),
        }
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
