//! Rules as sentences: given what happened, when something is asked, then this happens.
//!
//! ```ignore
//! given::<Rules>([placed]).when(cancel).then([cancelled]);
//! given::<Rules>([placed, shipped]).when(cancel).then_refused(Refusal::TooLate);
//! ```

use std::fmt::Debug;

use kernel::Decider;

/// An aggregate to which these events have happened.
pub fn given<D: Decider>(happened: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given::state(D::State::default()).and(happened)
}

/// An aggregate before a command.
pub struct Given<D: Decider> {
    state: D::State,
}

/// What a command led to.
pub struct Decided<D: Decider> {
    state: D::State,
    decision: Result<Vec<D::Event>, D::Error>,
}

impl<D: Decider> Given<D> {
    /// An aggregate in this state.
    pub fn state(state: D::State) -> Self {
        Self { state }
    }

    /// These events happen as well.
    #[must_use]
    pub fn and(self, happened: impl IntoIterator<Item = D::Event>) -> Self {
        let evolve = |state, event| D::evolve(state, &event);
        Self { state: happened.into_iter().fold(self.state, evolve) }
    }

    /// This is asked.
    pub fn when(self, command: D::Command) -> Decided<D> {
        let decision = D::decide(&self.state, command);
        Decided { state: self.state, decision }
    }
}

impl<D> Decided<D>
where
    D: Decider<Event: Debug + PartialEq, Error: Debug + PartialEq>,
{
    /// Exactly these events happen. Returns the aggregate after them.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) -> Given<D> {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.decision {
            Ok(happened) => {
                assert_eq!(happened, expected);
                Given::state(self.state).and(happened)
            }
            Err(refusal) => panic!("refused with {refusal:?}, expected {expected:?}"),
        }
    }

    /// Nothing happens, and that is fine: a repeat, or an answer that came late.
    #[track_caller]
    pub fn then_nothing(self) -> Given<D> {
        self.then([])
    }

    /// It is refused with this.
    #[track_caller]
    pub fn then_refused(self, expected: D::Error) -> Given<D> {
        match self.decision {
            Err(refusal) => assert_eq!(refusal, expected),
            Ok(happened) => panic!("{happened:?} happened, expected the refusal {expected:?}"),
        }
        Given::state(self.state)
    }
}

impl<D: Decider> Decided<D> {
    /// The decision, for whoever wants to look at a part of it.
    ///
    /// # Errors
    /// The refusal.
    pub fn decision(self) -> Result<Vec<D::Event>, D::Error> {
        self.decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Light;

    impl Decider for Light {
        type State = bool;
        type Command = bool;
        type Event = bool;
        type Error = &'static str;

        fn decide(on: &bool, command: bool) -> Result<Vec<bool>, &'static str> {
            match (on, command) {
                (false, false) => Err("it was never on"),
                (on, command) if *on == command => Ok(vec![]),
                (_, command) => Ok(vec![command]),
            }
        }

        fn evolve(_: bool, event: &bool) -> bool {
            *event
        }
    }

    #[test]
    fn a_rule_reads_as_a_sentence() {
        given::<Light>([]).when(false).then_refused("it was never on");
        given::<Light>([]).when(true).then([true]).when(true).then_nothing();
    }

    #[test]
    #[should_panic(expected = "expected the refusal")]
    fn an_event_where_a_refusal_is_expected_fails() {
        given::<Light>([]).when(true).then_refused("no");
    }
}
