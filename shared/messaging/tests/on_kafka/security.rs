//! Log-in and encryption, on the listener that `cargo xtask infra up --sasl` adds.

use std::{path::PathBuf, time::Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use messaging::{
    kafka::{KafkaConfig, Login, Sasl, Security, Tls},
    log::{AT_ONCE, LogError},
};

use super::*;

/// The listener and a user of it.
struct Listener {
    bootstrap_servers: String,
    login: Login,
    ca_file: PathBuf,
    prefix: String,
}

fn listener(test: &str) -> Option<Listener> {
    let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
    let listener = || {
        Some(Listener {
            bootstrap_servers: variable("TEST_KAFKA_SASL")?,
            login: Login {
                user: variable("TEST_KAFKA_SASL_USER")?,
                password: variable("TEST_KAFKA_SASL_PASSWORD")?,
            },
            ca_file: variable("TEST_KAFKA_CA")?.into(),
            prefix: format!("{}.", group()),
        })
    };
    let found = listener();
    if found.is_none() {
        println!("skipped {test}: TEST_KAFKA_SASL, _SASL_USER, _SASL_PASSWORD or _CA is not set");
    }
    found
}

impl Listener {
    fn config(&self, sasl: Sasl) -> KafkaConfig {
        let tls = Some(Tls { ca_file: Some(self.ca_file.clone()) });
        KafkaConfig {
            security: Security { tls, sasl: Some(sasl) },
            prefix: self.prefix.clone(),
            ..KafkaConfig::new(&self.bootstrap_servers)
        }
    }

    fn log(&self, sasl: Sasl) -> KafkaLog {
        KafkaLog::connect(self.config(sasl)).unwrap()
    }
}

/// How the suite reaches the broker with TLS and SCRAM, under a prefix of its own.
pub fn with_login() -> Option<KafkaConfig> {
    let listener = listener("the suite with a log-in")?;
    Some(listener.config(Sasl::ScramSha512(listener.login.clone())))
}

/// Appends and reads, alone and as a member.
async fn use_it(log: &KafkaLog, topic: &'static events::topics::Topic) {
    append(log, numbered(topic, 10)).await;
    let fenced = log.producer(Some(&group())).await.unwrap();
    fenced.append(vec![record(topic, "key", "10")]).await.unwrap();
    let mut member = log.subscribe(&group(), &[topic.name], AT_ONCE).await.unwrap();
    assert_eq!(numbers(&read(&mut *member, 11).await), (0..11).collect::<Vec<_>>());
    assert_eq!(read(&mut *reader(log, topic).await, 11).await.len(), 11);
    log.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_let_us_in() {
    let Some(listener) = listener("passwords_let_us_in") else { return };
    for sasl in [Sasl::Plain(listener.login.clone()), Sasl::ScramSha512(listener.login.clone())] {
        let log = listener.log(sasl);
        let topic = create(&log, 1).await;
        use_it(&log, topic).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_lets_us_in() {
    let Some(listener) = listener("a_token_lets_us_in") else { return };
    let claims =
        format!(r#"{{"sub":"{}","iat":1700000000,"exp":4000000000}}"#, listener.login.user);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims));
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, token).unwrap();
    let log = listener.log(Sasl::OAuthBearer { token_file });
    let unknown = log.ensure_topics(&[topic(1)]).await.unwrap_err();
    assert!(matches!(unknown, LogError::UnknownTopic(_)), "it cannot be created: {unknown}");
    // So somebody else has to.
    let topic = create(&listener.log(Sasl::Plain(listener.login.clone())), 1).await;
    log.ensure_topics(&[topic]).await.unwrap();
    use_it(&log, topic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_a_denial_within_10_seconds() {
    let Some(listener) = listener("a_wrong_password_is_a_denial") else { return };
    let wrong = Login { password: "wrong".to_owned(), ..listener.login.clone() };
    for sasl in [Sasl::Plain(wrong.clone()), Sasl::ScramSha512(wrong)] {
        let log = listener.log(sasl);
        let begun_at = Instant::now();
        let error = log.ping().await.unwrap_err();
        assert!(matches!(error, LogError::Denied(_)), "{error}");
        for error in [
            log.ensure_topics(&[topic(1)]).await.unwrap_err(),
            log.subscribe(&group(), &["shop.orders"], AT_ONCE).await.err().unwrap(),
        ] {
            assert!(matches!(error, LogError::Denied(_)), "{error}");
            assert!(!error.to_string().contains("wrong\""), "{error}");
        }
        println!("denied: {error} ({:?} for three attempts)", begun_at.elapsed());
        let error = log.producer(Some(&group())).await.err().unwrap();
        assert!(matches!(error, LogError::Denied(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let Some(mut listener) = listener("an unknown authority") else { return };
    // The system's authorities have not signed it.
    let tls = Some(Tls::default());
    let sasl = Some(Sasl::Plain(listener.login.clone()));
    let bootstrap_servers = std::mem::take(&mut listener.bootstrap_servers);
    let security = Security { tls, sasl };
    let config = KafkaConfig { security, ..KafkaConfig::new(bootstrap_servers) };
    let error = KafkaLog::connect(config).unwrap().ping().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}
