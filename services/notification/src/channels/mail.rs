//! Mail by SMTP (RFC 5321), in both parts, under a Message-ID that stays the same when it has to
//! be sent again.

use std::{
    fmt, fs,
    net::IpAddr,
    path::Path,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use kernel::Timestamp;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        AsyncSmtpTransportBuilder, Error as SmtpError, PoolConfig,
        client::{Certificate, Tls, TlsParameters},
    },
};
use reqwest::Url;
use uuid::Uuid;

use crate::{domain::Outcome, words::Message};

/// Connections kept to the server.
const CONNECTIONS: u32 = 8;
/// The longest that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a mail may take altogether.
const MAIL_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest mail, in bytes; servers commonly take 10 MiB.
const MAX_MAIL_BYTES: usize = 8 * 1024 * 1024;

/// Where mail is handed in, and who sends it.
#[derive(Clone)]
pub struct Smtp {
    /// It knows the password.
    server: AsyncSmtpTransportBuilder,
    /// `From:`.
    from: Mailbox,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp(from {})", self.from.email)
    }
}

/// Why mail cannot be sent like this.
#[derive(Debug, thiserror::Error)]
pub enum UnusableSmtp {
    /// The URL is none, or says something that cannot be. It is not shown, because of the password.
    #[error("must be such as smtps://user:password@host, or smtp://host:port?tls=required")]
    Url,
    /// Anybody on the way could read the password.
    #[error("would send the password unencrypted: use smtps://, or ?tls=required")]
    Unencrypted,
    /// No address.
    #[error("must be a mail address, such as `Shop <shop@example.org>`")]
    From,
    /// No certificates.
    #[error("must be a PEM file with certificates: {0}")]
    Authority(String),
}

impl Smtp {
    /// A server by its URL, a sender, and the authority that signed the server's certificate, a PEM
    /// file, if it is none of the system's.
    ///
    /// # Errors
    /// When mail cannot be sent like this.
    pub fn new(url: &str, from: &str, authority: Option<&Path>) -> Result<Self, UnusableSmtp> {
        let from = from.parse().map_err(|_| UnusableSmtp::From)?;
        let parsed = Url::parse(url).map_err(|_| UnusableSmtp::Url)?;
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        let mut server = server.map_err(|_| UnusableSmtp::Url)?;
        if parsed.password().is_some() && !is_encrypted(&parsed) && !is_local(&parsed) {
            return Err(UnusableSmtp::Unencrypted);
        }
        if let Some(file) = authority {
            server = server.tls(trusting(&parsed, file)?);
        }
        Ok(Self { server, from })
    }
}

fn is_encrypted(url: &Url) -> bool {
    url.scheme() == "smtps"
        || url.query_pairs().any(|(name, value)| name == "tls" && value == "required")
}

fn is_local(url: &Url) -> bool {
    let host = host(url);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// TLS as the URL wants it, with this authority beside the system's.
fn trusting(url: &Url, file: &Path) -> Result<Tls, UnusableSmtp> {
    let unusable = |error: &dyn fmt::Display| UnusableSmtp::Authority(error.to_string());
    if !is_encrypted(url) {
        return Err(unusable(&"the URL asks for no encryption"));
    }
    let pem = fs::read(file).map_err(|error| unusable(&error))?;
    // Of what is no PEM, lettre makes an authority without certificates.
    if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err(unusable(&"it has no certificate"));
    }
    let authority = Certificate::from_pem(&pem).map_err(|error| unusable(&error))?;
    let parameters = TlsParameters::builder(host(url).to_owned()).add_root_certificate(authority);
    let parameters = parameters.build().map_err(|error| unusable(&error))?;
    Ok(match url.scheme() {
        "smtps" => Tls::Wrapper(parameters),
        _ => Tls::Required(parameters),
    })
}

/// Hands mail to the server.
pub struct Mailer {
    server: AsyncSmtpTransportBuilder,
    transport: Mutex<Transport>,
    from: Mailbox,
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

impl Mailer {
    /// A mailer; it connects with the first mail.
    pub fn new(smtp: &Smtp) -> Self {
        let server = smtp.server.clone().timeout(Some(CONNECT_TIMEOUT));
        let server = server.pool_config(PoolConfig::new().max_size(CONNECTIONS));
        let transport = Mutex::new(server.clone().build());
        Self { server, transport, from: smtp.from.clone() }
    }

    /// Sends one mail.
    pub async fn send(&self, id: Uuid, to: &str, at: Timestamp, message: Message) -> Outcome {
        let mail = match self.mail(id, to, at, message) {
            Ok(mail) => mail,
            Err(outcome) => return outcome,
        };
        let transport = self.transport().clone();
        let mut sending = pin!(transport.send(mail));
        match tokio::time::timeout(MAIL_TIMEOUT, &mut sending).await {
            Ok(Ok(_)) => Outcome::Sent,
            Ok(Err(error)) if is_about_the_mail(&error) => Outcome::Refused(words(&error)),
            Ok(Err(error)) => Outcome::Failed(words(&error)),
            Err(_) => {
                self.give_up(&transport).await;
                Outcome::Failed("the mail server took too long".into())
            }
        }
    }

    fn transport(&self) -> MutexGuard<'_, Transport> {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A dialogue that is left in its middle must not be taken up by another mail, which would
    /// take late answers for its own: a pool that was shut down takes no connection back. Others
    /// finish with what they have.
    async fn give_up(&self, transport: &Transport) {
        *self.transport() = self.server.clone().build();
        transport.shutdown().await;
    }

    fn mail(&self, id: Uuid, to: &str, at: Timestamp, message: Message) -> Result<Mail, Outcome> {
        // No display name: it would be a stranger's words in a header, and tells nothing.
        let to: Address = to.parse().map_err(|_| Outcome::Refused("not a mail address".into()))?;
        let domain = self.from.email.domain();
        let since_1970 = at.since(Timestamp(0));
        let mail = Mail::builder()
            .message_id(Some(format!("<{id}@{domain}>")))
            .date(UNIX_EPOCH + since_1970)
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(message.subject)
            // So that nobody's absence note answers (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(message.text, message.html));
        let mail =
            mail.map_err(|error| Outcome::Refused(format!("no mail can be made: {error}")))?;
        if mail.formatted().len() > MAX_MAIL_BYTES {
            return Err(Outcome::Refused(format!("longer than {MAX_MAIL_BYTES} bytes")));
        }
        Ok(mail)
    }
}

/// Whether the server will never take this mail. Other refusals are about us or about the server,
/// such as 535 for a wrong password, and may be mended.
fn is_about_the_mail(error: &SmtpError) -> bool {
    let code = error.status().map(u16::from);
    matches!(code, Some(550..=553 | 555 | 556))
}

/// The server's code and enhanced code (RFC 3463); its words may quote the address.
fn words(error: &SmtpError) -> String {
    let text = error.to_string();
    let Some(code) = error.status() else {
        return text.chars().filter(|c| !c.is_control()).take(300).collect();
    };
    let is_enhanced = |word: &&str| {
        let parts: Vec<_> = word.split('.').collect();
        parts.len() == 3 && parts.iter().all(|part| part.parse::<u16>().is_ok())
    };
    let enhanced = text.split(|c: char| c != '.' && !c.is_ascii_digit()).find(is_enhanced);
    let enhanced = enhanced.map(|code| format!(" {code}")).unwrap_or_default();
    format!("the mail server answered {code}{enhanced}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_travel_in_the_clear() {
        let smtp = |url| Smtp::new(url, "Shop <shop@example.org>", None);
        assert!(smtp("smtps://ada:secret@mail.example.org").is_ok());
        assert!(smtp("smtp://ada:secret@mail.example.org:587?tls=required").is_ok());
        assert!(smtp("smtp://mail.example.org").is_ok());
        assert!(smtp("smtp://ada:secret@127.0.0.1:2525").is_ok());
        for url in ["smtp://ada:secret@mail.example.org", "smtp://a:b@h.org?tls=opportunistic"] {
            assert!(matches!(smtp(url), Err(UnusableSmtp::Unencrypted)), "{url}");
        }
        for url in ["", "mail.example.org", "http://mail.example.org", "smtp://h?tls=maybe"] {
            assert!(matches!(smtp(url), Err(UnusableSmtp::Url)), "{url}");
        }
        assert!(matches!(Smtp::new("smtp://h", "shop", None), Err(UnusableSmtp::From)));
    }

    #[test]
    fn a_password_is_not_in_the_logs() {
        let smtp = Smtp::new("smtps://ada:secret@mail.example.org", "shop@example.org", None);
        assert_eq!(format!("{smtp:?}"), "Ok(Smtp(from shop@example.org))");
    }

    #[test]
    fn an_authority_is_a_file_of_certificates() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in [here.join("no/such/file"), here.join("Cargo.toml")] {
            let smtp = Smtp::new("smtps://h", "shop@example.org", Some(&file));
            assert!(matches!(smtp, Err(UnusableSmtp::Authority(_))), "{smtp:?}");
        }
    }
}
