//! Who may work now, and who waits: bounded work, a bounded queue, and turns by principal.
//!
//! Work is admitted up to a number at once. What comes on top waits in its principal's queue, and
//! principals take turns: one with a thousand pieces of work holds up another by one piece at a
//! time. What comes on top of a full queue is refused at once, with the time to try again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{Error, Result};

/// How often whoever waits is told how many are before it.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// When to come back to a full queue.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How much work of one kind is done and may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Pieces of work done at the same time; at least one.
    pub at_once: usize,
    /// Pieces of work that wait, of all principals together.
    pub queued: usize,
    /// Pieces of work that wait, of one principal.
    pub queued_per_principal: usize,
}

/// The turnstile before one kind of work. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Turnstile>);

#[derive(Debug)]
struct Turnstile {
    /// What waits here, in the plural: `ingests`.
    work: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: AdmissionLimits,
    running: usize,
    /// Principals with waiting work, whose turn is next first.
    queues: VecDeque<Queue>,
    next_id: u64,
}

#[derive(Debug)]
struct Queue {
    principal: String,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    admit: oneshot::Sender<Permit>,
}

/// A place in the queue. Dropping it gives the place up.
#[derive(Debug)]
pub struct Ticket {
    turnstile: Arc<Turnstile>,
    id: u64,
    admitted: oneshot::Receiver<Permit>,
}

/// The right to work now. Dropping it admits the next.
#[derive(Debug)]
pub(crate) struct Permit(Option<Arc<Turnstile>>);

impl Admission {
    pub(crate) fn new(work: &'static str, limits: AdmissionLimits) -> Self {
        let state = State { limits, running: 0, queues: VecDeque::new(), next_id: 0 };
        Self(Arc::new(Turnstile { work, state: Mutex::new(state) }))
    }

    /// From now on these limits hold; what was admitted or waits stays so.
    pub(crate) fn limit(&self, limits: AdmissionLimits) {
        self.0.lock().limits = limits;
        self.0.admit_next();
    }

    /// A place in the queue of `principal`.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, or the principal's part of it.
    pub(crate) fn enter(&self, principal: &str) -> Result<Ticket> {
        {
            let state = self.0.lock();
            let mine = state.queue_of(principal).map_or(0, |queue| queue.waiting.len());
            let all: usize = state.queues.iter().map(|queue| queue.waiting.len()).sum();
            let limits = state.limits;
            if state.running >= limits.at_once.max(1) {
                if mine >= limits.queued_per_principal {
                    return Err(self.busy(format!("{mine} {} of yours wait already", self.0.work)));
                }
                if all >= limits.queued {
                    return Err(self.busy(format!("{all} {} wait already", self.0.work)));
                }
            }
        }
        Ok(self.enter_anyhow(principal))
    }

    /// A place in the queue of `principal`, however full it is: for work that was accepted before.
    pub(crate) fn enter_anyhow(&self, principal: &str) -> Ticket {
        let (admit, admitted) = oneshot::channel();
        let id = self.0.lock().push(principal, admit);
        self.0.admit_next();
        Ticket { turnstile: Arc::clone(&self.0), id, admitted }
    }

    fn busy(&self, message: String) -> Error {
        Error::Busy {
            code: "busy",
            message,
            hint: "wait until some of them are done, then send it again".to_owned(),
            retry_after: RETRY_AFTER,
        }
    }
}

impl Ticket {
    /// Waits for its turn. `on_wait` is told now and then how many are admitted before it; it ends
    /// the wait by answering with an error.
    ///
    /// # Errors
    /// Whatever `on_wait` answers.
    pub(crate) async fn admitted(
        mut self,
        mut on_wait: impl FnMut(u64) -> Result<()>,
    ) -> Result<Permit> {
        loop {
            tokio::select! {
                biased;
                permit = &mut self.admitted => {
                    return permit.map_err(|gone| Error::Internal { source: Box::new(gone) });
                }
                told = async {
                    let told = on_wait(self.turnstile.lock().before(self.id));
                    if told.is_ok() {
                        tokio::time::sleep(TELL_EVERY).await;
                    }
                    told
                } => told?,
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.turnstile.lock().forget(self.id);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(turnstile) = self.0.take() {
            turnstile.lock().running -= 1;
            turnstile.admit_next();
        }
    }
}

impl Turnstile {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits whoever is next for as long as there is room.
    fn admit_next(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                if state.running >= state.limits.at_once.max(1) {
                    return;
                }
                let Some(next) = state.take_turn() else { return };
                state.running += 1;
                next
            };
            // Outside the lock: a permit that nobody takes gives its place back when it is dropped.
            if let Err(unwanted) = next.admit.send(Permit(Some(Arc::clone(self)))) {
                drop(unwanted);
            }
        }
    }
}

impl State {
    fn queue_of(&self, principal: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.principal == principal)
    }

    fn push(&mut self, principal: &str, admit: oneshot::Sender<Permit>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let waiting = Waiting { id, admit };
        match self.queues.iter_mut().find(|queue| queue.principal == principal) {
            Some(queue) => queue.waiting.push_back(waiting),
            None => self.queues.push_back(Queue {
                principal: principal.to_owned(),
                waiting: VecDeque::from([waiting]),
            }),
        }
        id
    }

    /// The oldest of the principal whose turn it is, who then goes to the end of the line.
    fn take_turn(&mut self) -> Option<Waiting> {
        let mut queue = self.queues.pop_front()?;
        let next = queue.waiting.pop_front();
        if !queue.waiting.is_empty() {
            self.queues.push_back(queue);
        }
        next
    }

    fn forget(&mut self, id: u64) {
        for queue in &mut self.queues {
            queue.waiting.retain(|waiting| waiting.id != id);
        }
        self.queues.retain(|queue| !queue.waiting.is_empty());
    }

    /// How many are admitted before `id` if nobody else comes: of its own principal those in front
    /// of it; of every other as many, and one more if that principal's turn is earlier.
    fn before(&self, id: u64) -> u64 {
        let place = |queue: &Queue| queue.waiting.iter().position(|waiting| waiting.id == id);
        let found =
            self.queues.iter().enumerate().find_map(|(turn, queue)| Some((turn, place(queue)?)));
        let Some((own_turn, own_place)) = found else { return 0 };
        let before = self.queues.iter().enumerate().map(|(turn, queue)| match turn {
            turn if turn == own_turn => own_place,
            turn if turn < own_turn => queue.waiting.len().min(own_place + 1),
            _ => queue.waiting.len().min(own_place),
        });
        before.sum::<usize>() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turnstile(at_once: usize, queued: usize, queued_per_principal: usize) -> Admission {
        Admission::new("ingests", AdmissionLimits { at_once, queued, queued_per_principal })
    }

    fn is_admitted(ticket: &mut Ticket) -> Option<Permit> {
        ticket.admitted.try_recv().ok()
    }

    /// One principal with a thousand pieces of work does not starve another.
    #[test]
    fn principals_take_turns() {
        let door = turnstile(1, 10_000, 10_000);
        let mut first = door.enter("alice").expect("there is room");
        let mut permit = is_admitted(&mut first).expect("nobody is before it");
        let mut alice: Vec<Ticket> =
            (0..1000).map(|_| door.enter("alice").expect("there is room")).collect();
        let mut bob = door.enter("bob").expect("there is room");
        let state = |id| door.0.lock().before(id);
        assert_eq!((state(alice[0].id), state(bob.id)), (0, 1));
        assert_eq!(state(alice[999].id), 1000, "bob's one comes before alice's last");
        let mut order = Vec::new();
        for _ in 0..3 {
            drop(permit);
            let next = alice.iter_mut().map(|t| ("alice", t)).chain([("bob", &mut bob)]);
            let (who, next) = next
                .filter_map(|(who, ticket)| Some((who, is_admitted(ticket)?)))
                .next()
                .expect("one is admitted");
            order.push(who);
            permit = next;
        }
        assert_eq!(order, ["alice", "bob", "alice"]);
    }

    #[test]
    fn a_full_queue_refuses_with_the_time_to_come_back() {
        let door = turnstile(1, 3, 2);
        let _running = door.enter("alice").expect("nobody works");
        let waiting = [door.enter("alice"), door.enter("alice")];
        assert!(waiting.iter().all(Result::is_ok));
        let refused = door.enter("alice").expect_err("two of hers wait");
        assert!(matches!(refused, Error::Busy { retry_after, .. } if !retry_after.is_zero()));
        let _bob = door.enter("bob").expect("others may still come");
        assert!(door.enter("carol").is_err(), "three wait in all");
        drop(waiting);
        assert!(door.enter("carol").is_ok());
    }

    /// Whoever goes away takes no place with it.
    #[test]
    fn places_that_are_given_up_are_given_on() {
        let door = turnstile(1, 10, 10);
        let mut first = door.enter("alice").expect("nobody works");
        let running = is_admitted(&mut first).expect("nobody is before it");
        let gone = door.enter("alice").expect("there is room");
        let mut next = door.enter("bob").expect("there is room");
        let unused = door.enter("carol").expect("there is room");
        drop((gone, running));
        drop(is_admitted(&mut next).expect("bob is next"));
        // Carol was admitted and never looked.
        drop(unused);
        assert_eq!(door.0.lock().running, 0);
        let mut last = door.enter("dave").expect("there is room");
        assert!(is_admitted(&mut last).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_how_many_are_before() {
        let door = turnstile(1, 10, 10);
        let first = door.enter("alice").expect("nobody works");
        let running = first.admitted(|_| Ok(())).await.expect("nobody is before it");
        let second = door.enter("alice").expect("there is room");
        let third = door.enter("alice").expect("there is room");
        let mut heard = Vec::new();
        let waiting = third.admitted(|before| {
            heard.push(before);
            Ok(())
        });
        let waited = tokio::time::timeout(Duration::from_secs(2), waiting).await;
        assert!(waited.is_err(), "still waiting");
        assert_eq!(heard.first(), Some(&1));
        let stopped = second.admitted(|_| Err(Error::Cancelled)).await;
        assert!(matches!(stopped, Err(Error::Cancelled)));
        drop(running);
        assert_eq!(door.0.lock().running, 0, "nobody is left");
    }

    #[tokio::test]
    async fn more_room_admits_at_once() {
        let door = turnstile(1, 10, 10);
        let _first = door.enter("alice").expect("nobody works").admitted(|_| Ok(())).await;
        let mut second = door.enter("alice").expect("there is room");
        assert!(is_admitted(&mut second).is_none());
        door.limit(AdmissionLimits { at_once: 2, queued: 10, queued_per_principal: 10 });
        assert!(is_admitted(&mut second).is_some());
    }
}
