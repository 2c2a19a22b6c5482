//! With public software of another language: the mail server aiosmtpd, and the library
//! standardwebhooks. `TEST_PYTHON` names an interpreter that has both; without it, these say that
//! they were skipped.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use kernel::Timestamp;
use serde_json::{Value, json};

use super::{
    rig::{mailing, start},
    words::placed,
};
use crate::{
    channels::{Mailer, mail::Smtp, signature},
    domain::Outcome,
    words::Message,
};

/// A script that runs until its input ends.
struct Script {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Script {
    fn start(test: &str, name: &str, arguments: &[&str]) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "the environment says what to test with")]
        let Ok(python) = std::env::var("TEST_PYTHON") else {
            eprintln!("{test}: skipped, TEST_PYTHON is not set");
            return None;
        };
        let script = format!("{}/src/tests/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { process, lines })
    }

    async fn line(mut self) -> (Self, String) {
        let read = tokio::task::spawn_blocking(move || {
            let line = self.lines.next().expect("a line").unwrap();
            (self, line)
        });
        read.await.unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[actix_web::test]
async fn a_real_mail_server_reads_what_was_meant() {
    const TEST: &str = "a_real_mail_server_reads_what_was_meant";
    let Some(server) = Script::start(TEST, "smtp_server.py", &["plain"]) else { return };
    let (mut server, port) = server.line().await;
    let rig = start(mailing(port.parse().unwrap())).await;
    let names = [
        "Ada\r\nBcc: all@example.org".to_owned(),
        "<script>alert(1)</script>".to_owned(),
        "עדה לאבלייס".to_owned(),
        "👩‍👩‍👧‍👦 Ada".to_owned(),
        "Ada ".repeat(2_560).trim().to_owned(),
    ];
    for name in &names {
        let order = rig.new_order();
        let mut placed = placed(order, "ada", Some("ada@example.org"));
        placed.shipping_address.name.clone_from(name);
        rig.hear(placed).await;
        let line;
        (server, line) = server.line().await;
        let mail: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(mail["to"], json!(["ada@example.org"]));
        assert_eq!(mail["subject"], format!("We have your order {order}"));
        assert_eq!(mail["defects"], json!([]));
        assert!(!mail["headers"].as_array().unwrap().contains(&json!("bcc")), "{mail}");
        let shown = name.replace("\r\n", " ");
        let plain = mail["plain"].as_str().unwrap().replace("\r\n", "\n");
        assert!(plain.contains(&shown) && plain.contains(&order.to_string()), "{plain}");
        assert!(plain.contains("2 × Green tea: 17.80 EUR"), "{plain}");
        let html = mail["html"].as_str().unwrap();
        assert!(html.contains(&order.to_string()) && html.contains("Green tea"), "{html}");
        assert!(!html.contains("<script>"), "{html}");
    }
    rig.stop().await;
}

#[actix_web::test]
async fn mail_is_encrypted_and_only_for_a_server_that_is_trusted() {
    const TEST: &str = "mail_is_encrypted_and_only_for_a_server_that_is_trusted";
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    let files = [&certificate, &key].map(|path| path.to_str().unwrap());
    if !certify(&certificate, &key) {
        return eprintln!("{TEST}: skipped, there is no openssl");
    }
    for (kind, before, behind) in [("starttls", "smtp", "?tls=required"), ("smtps", "smtps", "")] {
        let arguments = [kind, files[0], files[1]];
        let Some(server) = Script::start(TEST, "smtp_server.py", &arguments) else { return };
        let (server, port) = server.line().await;
        let url = format!("{before}://localhost:{port}{behind}");
        let smtp = |ca| Smtp::new(&url, "shop@example.org", ca).unwrap();
        let message = || Message { subject: "s".into(), text: "t".into(), html: "h".into() };
        let send = |ca| {
            let mailer = Mailer::new(&smtp(ca));
            async move {
                mailer.send(uuid::Uuid::nil(), "ada@example.org", Timestamp(0), message()).await
            }
        };
        let stranger = send(None).await;
        assert!(matches!(stranger, Outcome::Failed(_)), "{kind}: {stranger:?}");
        assert_eq!(send(Some(certificate.as_path())).await, Outcome::Sent, "{kind}");
        let (_server, line) = server.line().await;
        let mail: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(mail["encrypted"], true);
    }
}

/// A certificate for this machine, signed by itself.
fn certify(certificate: &Path, key: &Path) -> bool {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success())
}

#[actix_web::test]
async fn a_signature_is_verified_by_the_specifications_own_library() {
    const TEST: &str = "a_signature_is_verified_by_the_specifications_own_library";
    let secret = signature::secret([42; signature::SECRET_BYTES]);
    let now = kernel::Clock::now(&platform::SystemClock);
    let body = r#"{"type":"order.shipped","data":{"name":"עדה 🫖"}}"#;
    let signed = signature::sign(&secret, "msg_1", seconds(now), body).unwrap();
    for (body, verdict) in
        [(body, "verified"), (&*body.replace('1', "2").replace("ship", "dip"), "refused")]
    {
        let Some(mut script) = Script::start(TEST, "verify_webhook.py", &[]) else { return };
        let message = json!({
            "secret": secret.0,
            "body": body,
            "headers": {
                "webhook-id": "msg_1",
                "webhook-timestamp": seconds(now).to_string(),
                "webhook-signature": signed,
            },
        });
        script.process.stdin.take().unwrap().write_all(message.to_string().as_bytes()).unwrap();
        let (_script, line) = script.line().await;
        assert!(line.starts_with(verdict), "{line}");
    }
}

fn seconds(now: Timestamp) -> i64 {
    now.millis() / 1000
}
