//! Whatever shape a workflow has and wherever it fails, the tables agree with a model of a few lines.

use super::floor::{Then, Works, task};
use mywork_queue::{
    Workflow,
    workflow::{self, Deadline, Signal, Step, StepState, WorkflowState},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::time::Duration;

/// What a step is made of.
#[derive(Clone, Debug)]
enum Part {
    Job,
    FanOut(usize),
    /// An event nobody sends.
    Deadline(bool),
    Sleep,
    Within(usize),
}

/// A step: what it comes after, what it is, and whether it fails the first time.
#[derive(Clone, Debug)]
struct Planned {
    needs: Vec<usize>,
    part: Part,
    fails: bool,
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        4 => Just(Part::Job),
        2 => (0..5_usize).prop_map(Part::FanOut),
        1 => any::<bool>().prop_map(Part::Deadline),
        1 => Just(Part::Sleep),
        1 => (1..4_usize).prop_map(Part::Within),
    ]
}

/// Up to eight steps, each after any of those before it.
fn plan() -> impl Strategy<Value = Vec<Planned>> {
    let step = (proptest::collection::vec(any::<prop::sample::Index>(), 0..4), part(), proptest::bool::weighted(0.25));
    proptest::collection::vec(step, 1..=8).prop_map(|steps| {
        let planned = |(index, (needs, part, fails)): (usize, (Vec<prop::sample::Index>, Part, bool))| {
            let mut needs: Vec<usize> =
                if index == 0 { Vec::new() } else { needs.iter().map(|need| need.index(index)).collect() };
            needs.sort_unstable();
            needs.dedup();
            // Only what runs jobs can fail by itself.
            let fails = fails && matches!(part, Part::Job | Part::FanOut(1..) | Part::Within(_));
            Planned { needs, part, fails }
        };
        steps.into_iter().enumerate().map(planned).collect()
    })
}

/// A job of the model: when it was put in line, its number, its step, and which of its jobs it is.
type InLine = (usize, usize, usize, usize);

/// The model: one line of jobs, and what each step waits for.
#[derive(Clone, Debug)]
struct Model {
    steps: Vec<Planned>,
    states: Vec<StepState>,
    left: Vec<usize>,
    failed: Vec<InLine>,
    line: Vec<InLine>,
    now: usize,
    numbers: usize,
    runs: Vec<String>,
}

impl Model {
    fn new(steps: Vec<Planned>) -> Self {
        let count = steps.len();
        let (line, failed, runs) = Default::default();
        let mut model =
            Self { steps, states: vec![StepState::Blocked; count], left: vec![0; count], failed, line, now: 0, numbers: 0, runs };
        model.release();
        model
    }

    fn is(&self, state: StepState) -> bool {
        self.states.contains(&state)
    }

    fn state(&self) -> WorkflowState {
        if self.is(StepState::Failed) {
            WorkflowState::Failed
        } else if self.states.iter().all(|state| *state == StepState::Done) {
            WorkflowState::Done
        } else {
            WorkflowState::Running
        }
    }

    fn put_in_line(&mut self, step: usize, index: usize) {
        self.numbers += 1;
        self.line.push((self.now, self.numbers, step, index));
    }

    /// Steps that wait for nothing begin, single jobs before fan-outs before workflows, unless something has failed.
    fn release(&mut self) {
        while !self.is(StepState::Failed) {
            let is_ready = |&step: &usize| {
                self.states[step] == StepState::Blocked
                    && self.steps[step].needs.iter().all(|&need| self.states[need] == StepState::Done)
            };
            let mut ready: Vec<usize> = (0..self.steps.len()).filter(is_ready).collect();
            if ready.is_empty() {
                return;
            }
            ready.sort_by_key(|&step| match self.steps[step].part {
                Part::FanOut(_) => 1,
                Part::Within(_) => 2,
                _ => 0,
            });
            for step in ready {
                self.states[step] = match self.steps[step].part {
                    Part::FanOut(0) => StepState::Done,
                    Part::Deadline(_) | Part::Sleep => StepState::Waiting,
                    _ => StepState::Running,
                };
                match self.steps[step].part {
                    Part::Job | Part::Within(_) => self.put_in_line(step, 0),
                    Part::FanOut(children) => {
                        self.left[step] = children;
                        (0..children).for_each(|child| self.put_in_line(step, child));
                    }
                    Part::Deadline(_) | Part::Sleep => {}
                }
            }
        }
    }

    /// All jobs in line run, and those they release.
    fn run(&mut self) {
        while let Some(next) = self.line.iter().copied().min() {
            self.line.retain(|job| *job != next);
            self.now += 1;
            let (_, _, step, index) = next;
            self.runs.push(format!("{step}.{index}"));
            match self.steps[step].part {
                _ if self.steps[step].fails && index == 0 => {
                    self.failed.push(next);
                    self.states[step] = StepState::Failed;
                }
                Part::FanOut(_) => {
                    self.left[step] -= 1;
                    if self.left[step] == 0 {
                        self.states[step] = StepState::Done;
                    }
                }
                Part::Within(jobs) if index + 1 < jobs => self.put_in_line(step, index + 1),
                _ => self.states[step] = StepState::Done,
            }
            self.release();
        }
    }

    /// Sleeps end, deadlines pass.
    fn wake(&mut self) {
        self.now += 1;
        for (state, step) in self.states.iter_mut().zip(&self.steps) {
            if *state == StepState::Waiting {
                *state = if matches!(step.part, Part::Deadline(true)) { StepState::Failed } else { StepState::Done };
            }
        }
        self.release();
    }

    fn resume(&mut self) {
        self.now += 1;
        for (_, number, step, index) in std::mem::take(&mut self.failed) {
            self.line.push((self.now, number, step, index));
        }
        for step in 0..self.steps.len() {
            if self.states[step] == StepState::Failed {
                self.steps[step].fails = false;
                let begins = matches!(self.steps[step].part, Part::Deadline(_));
                self.states[step] = if begins { StepState::Blocked } else { StepState::Running };
            }
        }
        self.release();
    }

    fn signal(&mut self, step: usize) {
        self.now += 1;
        self.states[step] = StepState::Done;
        self.release();
    }
}

const DAY: Duration = Duration::from_secs(86_400);

fn define(steps: &[Planned]) -> Workflow {
    let mut flow = Workflow::new("test.random");
    let mut handles: Vec<Step> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let needs: Vec<Step> = step.needs.iter().map(|&need| handles[need]).collect();
        let (after, name) = (flow.after(needs), number.to_string());
        handles.push(match step.part {
            Part::Job => after.step(name, &task(format!("{number}.0"))),
            Part::FanOut(jobs) => after.fan_out(name, &(0..jobs).map(|job| task(format!("{number}.{job}"))).collect::<Vec<_>>()),
            Part::Deadline(fails) => after.event(name).within(DAY, if fails { Deadline::Fail } else { Deadline::GoOn }),
            Part::Sleep => after.sleep(name, DAY),
            Part::Within(jobs) => {
                let mut within = Workflow::new("test.random_within");
                let mut last = within.step("0", &task(format!("{number}.0")));
                for job in 1..jobs {
                    last = within.after(last).step(job.to_string(), &task(format!("{number}.{job}")));
                }
                after.workflow(name, within)
            }
        });
    }
    flow
}

async fn follow(works: &Works, steps: Vec<Planned>) -> Result<(), TestCaseError> {
    works.floor.forget();
    for (number, step) in steps.iter().enumerate() {
        let name = format!("{number}.0");
        if step.fails { works.floor.script(&name, Then::Die) } else { works.floor.mend(&name) }
    }
    let id = works.start(define(&steps)).await;
    let mut model = Model::new(steps);
    let agree = async |model: &Model, when: &str| {
        let flow = works.find(id).await;
        let states: Vec<StepState> = flow.steps.iter().map(|step| step.state).collect();
        prop_assert_eq!(&states, &model.states, "{}", when);
        prop_assert_eq!(flow.workflow.state, model.state(), "{}", when);
        prop_assert_eq!(works.floor.runs(), model.runs.clone(), "{}", when);
        Ok(())
    };
    agree(&model, "at the start").await?;
    for _ in 0..40 {
        works.drain().await;
        model.run();
        agree(&model, "after all jobs have run").await?;
        if model.is(StepState::Waiting) {
            works.clock.advance(chrono::Duration::days(2));
            model.wake();
        } else if model.is(StepState::Failed) {
            for step in 0..model.steps.len() {
                works.floor.mend(&format!("{step}.0"));
                model.steps[step].fails = false;
            }
            let mut c = works.stage.connection().await;
            workflow::resume(&mut c, id).await.expect("resumed");
            model.resume();
            agree(&model, "after it was resumed").await?;
            for step in 0..model.steps.len() {
                if model.states[step] == StepState::Waiting && matches!(model.steps[step].part, Part::Deadline(_)) {
                    let told = workflow::signal(&mut c, id, &step.to_string(), &()).await.expect("told");
                    prop_assert_eq!(told, Signal::Delivered);
                    model.signal(step);
                }
            }
        } else {
            break;
        }
    }
    prop_assert_eq!(model.state(), WorkflowState::Done);
    Ok(())
}

#[test]
fn any_workflow_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let works = runtime.block_on(Works::new());
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    runner.run(&plan(), |steps| runtime.block_on(follow(&works, steps))).expect("they agree");
}
