//! Which URLs become endpoints.

use super::*;

#[test]
fn only_public_https_urls_become_endpoints() {
    let poster = Poster::new(false);
    assert_eq!(poster.check("https://example.org:8443/hooks?x=1"), Ok(()));
    assert_eq!(poster.check("https://8.8.8.8/"), Ok(()));
    for url in ["http://example.org", "https://127.1/", "https://[fe80::1]/", "https://a:b@c.org"] {
        assert!(poster.check(url).is_err(), "{url}");
    }
}

#[test]
fn private_and_plain_ones_can_be_allowed() {
    let poster = Poster::new(true);
    assert_eq!(poster.check("http://127.0.0.1:8080/"), Ok(()));
    assert!(poster.check("file:///etc/passwd").is_err());
}
