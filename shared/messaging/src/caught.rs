//! A panic in a rule or a decoder is an error like any other.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use crate::execute::ExecuteError;

/// What `work` comes to.
///
/// # Errors
/// [`ExecuteError::Panicked`], in the words of the panic.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, ExecuteError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref().cloned());
        ExecuteError::Panicked(text.unwrap_or_else(|| "a panic".into()))
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
        assert_eq!(caught(work(0)).await.unwrap(), 7);
        for (panics, words) in [(1, "plain words"), (2, "2 words")] {
            let error = caught(work(panics)).await.unwrap_err();
            assert!(matches!(&error, ExecuteError::Panicked(own) if own == words), "{error}");
        }
    }
}
