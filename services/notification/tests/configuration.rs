//! The service's binary and its environment.

#[test]
fn a_variable_that_is_missing_wrong_or_unknown_is_named() {
    testkit::configuration::check(env!("CARGO_BIN_EXE_notification-service"));
}
