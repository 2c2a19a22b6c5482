//! A panic in a rule or a decoder is an error like any other.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// What `work` comes to, or the words of its panic.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref().cloned()).unwrap_or_else(|| "a panic".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_in_its_own_words() {
        let work = async |panics: u8| match panics {
            0 => 7,
            1 => panic!("plain words"),
            _ => panic!("{panics} words"),
        };
        assert_eq!(caught(work(0)).await, Ok(7));
        assert_eq!(caught(work(1)).await, Err("plain words".to_owned()));
        assert_eq!(caught(work(2)).await, Err("2 words".to_owned()));
    }
}
