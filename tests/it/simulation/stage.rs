//! Who goes on when: one worker at a time, drawn by chance, in virtual time.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use fluint_crm::testkit::CrashPoint;
use fluint_crm::{Budget, Clock as _, Crm};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use time::{Duration, OffsetDateTime};

use crate::simulation::process::Process;
use crate::simulation::world::World;

/// Rung when somebody can go on.
#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    /// Who hears it.
    stage: Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        self.stage.unpark();
    }
}

/// Runs a future to its end without a runtime, whose budget for tasks would stop the stage: all
/// that anybody here waits for is the clock, or the thread of a store.
pub(crate) fn wait_for<T>(answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    let bell = Arc::new(Bell { rung: AtomicBool::new(true), stage: std::thread::current() });
    let waker = Waker::from(Arc::clone(&bell));
    loop {
        // Whoever waits inside may have slept through the ringing: look before going to sleep.
        while !bell.rung.swap(false, Ordering::SeqCst) {
            std::thread::park();
        }
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return answer;
        }
    }
}

/// What somebody does, with the process that does it.
pub(crate) type Task = fn(Arc<World>, Arc<Crm>) -> LocalBoxFuture<'static, ()>;

/// Somebody who acts, in a process that may die and be started again.
struct Actor {
    process: Arc<Process>,
    crm: Arc<Crm>,
    task: Task,
    doing: LocalBoxFuture<'static, ()>,
    bell: Arc<Bell>,
    /// Until then it is neither running nor told that time goes by.
    frozen_until: Option<OffsetDateTime>,
}

/// All who act.
pub(crate) struct Stage {
    world: Arc<World>,
    actors: Vec<Actor>,
    started: u32,
    /// The latest time that any clock has shown.
    highest: OffsetDateTime,
}

impl Stage {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let (world, highest) = (Arc::clone(world), world.clock.now());
        Self { world, actors: Vec::new(), started: 0, highest }
    }

    /// Lets somebody more act.
    pub(crate) fn enter(&mut self, task: Task) -> Arc<Process> {
        let actor = self.start(task);
        let process = Arc::clone(&actor.process);
        self.actors.push(actor);
        process
    }

    fn start(&mut self, task: Task) -> Actor {
        self.started += 1;
        let process = Process::new(&self.world, format!("process {}", self.started));
        let crm = Arc::new(self.world.start(&process));
        let doing = task(Arc::clone(&self.world), Arc::clone(&crm));
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), stage: std::thread::current() });
        Actor { process, crm, task, doing, bell, frozen_until: None }
    }

    /// Ends an actor's process, whatever it is doing; another one takes its place.
    fn kill(&mut self, at: usize) {
        let task = self.actors[at].task;
        let mut fresh = self.start(task);
        fresh.frozen_until = Some(self.world.clock.now() + self.world.dice.seconds(0, 200));
        self.actors[at] = fresh;
    }

    /// Lets one of them go on, or time pass; whether anybody is left.
    pub(crate) fn step(&mut self) -> bool {
        if self.world.is_rough() {
            self.trouble();
        }
        let now = self.world.clock.now();
        for actor in &mut self.actors {
            actor.frozen_until = actor.frozen_until.filter(|until| *until > now);
        }
        let ready = |(_, actor): &(usize, &Actor)| {
            actor.frozen_until.is_none() && actor.bell.rung.load(Ordering::SeqCst)
        };
        let ready: Vec<usize> =
            self.actors.iter().enumerate().filter(ready).map(|(at, _)| at).collect();
        let Some(&at) = self.world.dice.pick(&ready) else { return self.let_time_pass() };
        let ended = self.go_on(at);
        if ended {
            self.actors.remove(at);
        } else if self.actors[at].process.is_dead() {
            self.world.book.count("crashes at a write");
            self.kill(at);
        }
        true
    }

    /// Lets one go on until it waits for time, or for nothing; whether it came to its end.
    fn go_on(&mut self, at: usize) -> bool {
        let actor = &mut self.actors[at];
        let waker = Waker::from(Arc::clone(&actor.bell));
        actor.bell.rung.store(false, Ordering::SeqCst);
        actor.doing.poll_unpin(&mut Context::from_waker(&waker)).is_ready()
    }

    /// Whether that process is still at it.
    pub(crate) fn is_acting(&self, process: &Arc<Process>) -> bool {
        self.actors.iter().any(|actor| Arc::ptr_eq(&actor.process, process))
    }

    /// Lets somebody else act in the place of the first.
    pub(crate) fn replace_first(&mut self, task: Task) -> Arc<Process> {
        self.actors[0] = self.start(task);
        Arc::clone(&self.actors[0].process)
    }

    /// Jumps to the next moment at which anybody can go on.
    fn let_time_pass(&mut self) -> bool {
        let frozen = self.actors.iter().filter_map(|actor| actor.frozen_until);
        let Some(next) = frozen.chain(self.world.clock.next_wait()).min() else { return false };
        self.set_clock(next);
        true
    }

    fn set_clock(&mut self, to: OffsetDateTime) {
        self.highest = self.highest.max(to);
        self.world.clock.set(to);
    }

    /// Calms everything down; from now on the time is later than it has ever been.
    pub(crate) fn calm(&mut self) {
        self.world.set_rough(false);
        self.world.org.lock().unwrap().reveal_all();
        self.set_clock(self.highest + Duration::seconds(1));
    }

    /// What can go wrong with a process at any time.
    fn trouble(&mut self) {
        let world = Arc::clone(&self.world);
        let (dice, now) = (&world.dice, world.clock.now());
        let drawn = dice.below(4_000);
        // The first actor is the user.
        let at = 1 + dice.below(self.actors.len() - 1);
        match drawn {
            0..2 => {
                world.book.count("crashes");
                self.kill(at);
            }
            2..14 => {
                let process = &self.actors[at].process;
                let number = process.writes() + 1 + dice.below(20) as u64;
                let before = dice.happens(0.5);
                process.die_at(if before {
                    CrashPoint::Before(number)
                } else {
                    CrashPoint::After(number)
                });
            }
            14..22 => {
                world.book.count("futures dropped");
                let actor = &mut self.actors[at];
                actor.doing = (actor.task)(Arc::clone(&world), Arc::clone(&actor.crm));
                actor.bell.rung.store(true, Ordering::SeqCst);
            }
            22..38 => {
                world.book.count("pauses");
                let pause = dice.seconds(5, 400);
                world.book.note(now, &self.actors[at].process.name, "pauses");
                self.actors[at].frozen_until = Some(now + pause);
            }
            38..42 => {
                world.book.count("clocks set back");
                self.set_clock(now - dice.seconds(1, 120));
            }
            42..46 => {
                world.book.count("clocks set ahead");
                let far = dice.happens(0.1);
                let jump = if far { Duration::hours(26) } else { dice.seconds(1, 5_000) };
                self.set_clock(now + jump);
            }
            _ => {}
        }
    }
}

/// Works on what is due, as a host does.
pub(crate) fn work(world: Arc<World>, crm: Arc<Crm>) -> LocalBoxFuture<'static, ()> {
    async move {
        loop {
            let report = crm.run_due(&Budget::default()).await;
            let soon = world.clock.now() + Duration::seconds(15);
            let next = match report {
                Ok(report) => {
                    report.syncs.iter().for_each(|sync| world.take_report(sync));
                    report.next_due.map_or(soon, |due| due.min(soon))
                }
                Err(error) => {
                    world.book.note(world.clock.now(), "worker", error.to_string());
                    soon
                }
            };
            let at_least = world.clock.now() + Duration::seconds(1);
            world.clock.sleep_until(next.max(at_least)).await;
        }
    }
    .boxed_local()
}
