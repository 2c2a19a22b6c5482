//! librdkafka's errors in our words.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::diagnostics::Diagnostics;
use crate::log::LogError;

/// What kind of error this is to us; `what` names the topic, the identity or the attempt.
pub fn translate(error: &KafkaError, what: &str, diagnostics: &Diagnostics) -> LogError {
    match code_of(error) {
        Some(code) => from_code(code, what, diagnostics),
        None => unavailable(&error.to_string(), what, diagnostics),
    }
}

/// As [`translate`], for what is only a code.
pub fn from_code(code: Code, what: &str, diagnostics: &Diagnostics) -> LogError {
    let message = || format!("{what}: {code}");
    match code {
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => {
            LogError::Denied(diagnostics.denied().unwrap_or_else(message))
        }
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            LogError::UnknownTopic(what.to_owned())
        }
        Code::MessageSizeTooLarge
        | Code::InvalidRecord
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::MessageBatchTooLarge
        | Code::PolicyViolation => LogError::Refused(message()),
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => {
            LogError::Fenced(what.to_owned())
        }
        Code::KafkaStorageError => LogError::Storage(message()),
        _ => unavailable(&code.to_string(), what, diagnostics),
    }
}

/// Out of reach; if the brokers turned us away, that is why.
fn unavailable(error: &str, what: &str, diagnostics: &Diagnostics) -> LogError {
    match (diagnostics.denied(), diagnostics.trouble()) {
        (Some(denied), _) => LogError::Denied(denied),
        (None, Some(trouble)) => LogError::Unavailable(format!("{what}: {error} ({trouble})")),
        (None, None) => LogError::Unavailable(format!("{what}: {error}")),
    }
}

fn code_of(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_whether_trying_again_may_help() {
        let diagnostics = Diagnostics::default();
        for (code, transient) in [
            (Code::BrokerTransportFailure, true),
            (Code::AllBrokersDown, true),
            (Code::OperationTimedOut, true),
            (Code::NotEnoughReplicas, true),
            (Code::SaslAuthenticationFailed, false),
            (Code::GroupAuthorizationFailed, false),
            (Code::UnknownTopicOrPartition, false),
            (Code::MessageSizeTooLarge, false),
            (Code::ProducerFenced, false),
        ] {
            let error = translate(&KafkaError::MessageProduction(code), "here", &diagnostics);
            assert_eq!(error.is_transient(), transient, "{error}");
        }
    }

    #[test]
    fn a_time_out_after_a_wrong_password_is_a_denial() {
        let diagnostics = Diagnostics::default();
        diagnostics.heard(Code::Authentication, "SASL authentication error: wrong password");
        let error = KafkaError::MetadataFetch(Code::OperationTimedOut);
        let error = translate(&error, "ping", &diagnostics);
        assert!(matches!(error, LogError::Denied(why) if why.contains("wrong password")));
        diagnostics.clear();
        let error = KafkaError::MetadataFetch(Code::OperationTimedOut);
        assert!(translate(&error, "ping", &diagnostics).is_transient());
    }
}
