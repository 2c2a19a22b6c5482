//! The shape of every rule in the suite (Chassaing, "Functional Event Sourcing Decider", 2021).

/// An aggregate's rules, pure: no clock, no random, no I/O (I1).
pub trait Decider {
    /// All that is known of one aggregate; its default is "never heard of it".
    type State: Default;
    /// What is asked, with the time and the new ids it needs.
    type Command;
    /// What happened.
    type Event;
    /// Why it is refused.
    type Error;

    /// What happens when `command` meets `state`. A repeat that changes nothing returns no events.
    ///
    /// # Errors
    /// When the command is refused; nothing has happened then.
    fn decide(state: &Self::State, command: Self::Command)
    -> Result<Vec<Self::Event>, Self::Error>;

    /// `state` after `event`. No rules here: it cannot fail.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;
}
