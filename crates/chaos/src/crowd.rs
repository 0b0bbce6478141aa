//! The processes: a slot for each, and in it one life after another. What ends is started again a little later, as a supervisor
//! does. Every life is remembered with what was done to it, for the verdicts.

use crate::{
    clock::FastClock,
    signals::{self, Signal},
    wire::Wire,
};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Errands and ticks.
    Worker,
    /// Jobs that kill it.
    Victim,
    Scheduler,
}

/// One process from its start to its end.
#[derive(Clone, Debug)]
pub struct Life {
    pub name: String,
    pub role: Role,
    pub wired: bool,
    pub hurts: Vec<(DateTime<Utc>, Signal)>,
    pub ended: Option<(DateTime<Utc>, ExitStatus)>,
}

impl Life {
    /// When it was first sent `signal`.
    pub fn sent(&self, signal: Signal) -> Option<DateTime<Utc>> {
        self.hurts.iter().find(|(_, sent)| *sent == signal).map(|(at, _)| *at)
    }
}

/// See the module. Clones are the same crowd.
#[derive(Clone)]
pub struct Crowd(Arc<Mutex<Slots>>);

struct Slots {
    program: PathBuf,
    logs: PathBuf,
    direct: u16,
    wire: Wire,
    clock: FastClock,
    slots: Vec<Slot>,
    past: Vec<Life>,
    closing: bool,
    number: usize,
}

struct Slot {
    role: Role,
    wired: bool,
    alive: Option<(Child, Life)>,
    frozen: bool,
    next_at: Instant,
}

impl Crowd {
    /// Starts workers, victims and schedulers, every other one of them at the end of the wire.
    pub fn start(logs: &Path, direct: u16, wire: Wire, clock: FastClock, roles: &[(Role, usize)]) -> Result<Self> {
        let slot = |(index, role)| Slot { role, wired: index % 2 == 1, alive: None, frozen: false, next_at: Instant::now() };
        let roles = roles.iter().flat_map(|&(role, count)| std::iter::repeat_n(role, count));
        let slots = Slots {
            program: std::env::current_exe().context("our own program cannot be found")?,
            logs: logs.to_owned(),
            direct,
            wire,
            clock,
            slots: roles.enumerate().map(slot).collect(),
            past: Vec::new(),
            closing: false,
            number: 0,
        };
        let crowd = Self(Arc::new(Mutex::new(slots)));
        crowd.supervise()?;
        Ok(crowd)
    }

    /// Notes who has ended and starts a successor. Call it often.
    pub fn supervise(&self) -> Result<()> {
        self.lock().supervise()
    }

    /// The slots of `role` with a process that runs.
    pub fn running(&self, role: Role) -> Vec<usize> {
        let slots = self.lock();
        let runs = |slot: &Slot| slot.role == role && slot.alive.is_some() && !slot.frozen;
        (0..slots.slots.len()).filter(|&index| runs(&slots.slots[index])).collect()
    }

    /// The name of the process in a slot.
    pub fn name(&self, slot: usize) -> Option<String> {
        self.lock().slots[slot].alive.as_ref().map(|(_, life)| life.name.clone())
    }

    /// Sends a signal to the process in a slot.
    pub fn hurt(&self, slot: usize, signal: Signal) {
        let mut slots = self.lock();
        let slot = &mut slots.slots[slot];
        if let Some((child, life)) = &mut slot.alive {
            signals::send(child.id(), signal);
            life.hurts.push((Utc::now(), signal));
            slot.frozen = match signal {
                Signal::Stop => true,
                Signal::Continue => false,
                _ => slot.frozen,
            };
        }
    }

    /// Ends everybody as a deployment does, and says how long the slowest took.
    pub async fn close(&self) -> Result<Duration> {
        let began = Instant::now();
        let slots = self.lock().slots.len();
        self.lock().closing = true;
        for slot in 0..slots {
            self.hurt(slot, Signal::Continue);
            self.hurt(slot, Signal::Terminate);
        }
        while self.lock().slots.iter().any(|slot| slot.alive.is_some()) {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(30), "a process does not stop when it is told to");
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.supervise()?;
        }
        Ok(began.elapsed())
    }

    /// All lives, those that go on included.
    pub fn lives(&self) -> Vec<Life> {
        let slots = self.lock();
        let going_on = slots.slots.iter().filter_map(|slot| Some(slot.alive.as_ref()?.1.clone()));
        slots.past.iter().cloned().chain(going_on).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn supervise(&mut self) -> Result<()> {
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if let Some((child, _)) = &mut slot.alive
                && let Some(status) = child.try_wait()?
                && let Some((_, mut life)) = slot.alive.take()
            {
                life.ended = Some((Utc::now(), status));
                slot.frozen = false;
                slot.next_at = Instant::now() + Duration::from_millis(500);
                self.past.push(life);
            }
            let slot = &self.slots[index];
            if slot.alive.is_none() && !self.closing && Instant::now() >= slot.next_at {
                let born = self.bear(index)?;
                self.slots[index].alive = Some(born);
            }
        }
        Ok(())
    }

    fn bear(&mut self, index: usize) -> Result<(Child, Life)> {
        let Slot { role, wired, .. } = self.slots[index];
        self.number += 1;
        let name = format!("{role:?}-{index}.{}", self.number).to_lowercase();
        let port = if wired { self.wire.port() } else { self.direct };
        let mut command = Command::new(&self.program);
        command.arg(if role == Role::Scheduler { "scheduler" } else { "worker" });
        command.args(["--name", &name, "--port", &port.to_string(), "--direct", &self.direct.to_string()]);
        match role {
            Role::Scheduler => command.args(self.clock.arguments()),
            Role::Worker => command.args(["--slot", &index.to_string(), "--queues", "default,ticks", "--concurrency", "12"]),
            Role::Victim => command.args(["--slot", &index.to_string(), "--queues", "poison", "--concurrency", "1"]),
        };
        let log = File::create(self.logs.join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        signals::die_with_us(&mut command);
        let child = command.spawn().context("a process could not be started")?;
        let life = Life { name, role, wired, hurts: Vec::new(), ended: None };
        Ok((child, life))
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for (child, _) in self.slots.iter_mut().filter_map(|slot| slot.alive.as_mut()) {
            // A child that has ended already is as good as killed.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}
