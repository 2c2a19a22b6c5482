//! Headers as one blob: for each its name and value, both with a length of 32 bits before it.

use bytes::Bytes;
use bytestring::ByteString;

use crate::record::Headers;

/// All headers, in order.
pub fn encode(headers: &Headers) -> Vec<u8> {
    let size = headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    let mut blob = Vec::with_capacity(size);
    for (name, value) in headers {
        push(&mut blob, name.as_bytes());
        push(&mut blob, value);
    }
    blob
}

fn push(blob: &mut Vec<u8>, bytes: &[u8]) {
    // A record of more than 1 MiB is refused long before this.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    blob.extend_from_slice(&length.to_le_bytes());
    blob.extend_from_slice(bytes);
}

/// The headers in `blob`, or `None` if it was not made by [`encode`].
pub fn decode(blob: &Bytes) -> Option<Headers> {
    let mut rest = blob.clone();
    let mut headers = Headers::new();
    while !rest.is_empty() {
        let name = ByteString::try_from(take(&mut rest)?).ok()?;
        headers.push((name, take(&mut rest)?));
    }
    Some(headers)
}

fn take(rest: &mut Bytes) -> Option<Bytes> {
    let length = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    let end = usize::try_from(length).ok()?.checked_add(4)?;
    (end <= rest.len()).then(|| rest.split_to(end).slice(4..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_duplicates_and_binary_values() {
        let headers: Headers = vec![
            ("a".into(), Bytes::from_static(&[0, 255])),
            ("a".into(), Bytes::new()),
            ("".into(), Bytes::from_static(b"x")),
        ];
        assert_eq!(decode(&encode(&headers).into()), Some(headers));
        assert_eq!(decode(&Bytes::new()), Some(Vec::new()));
    }

    #[test]
    fn a_damaged_blob_is_no_headers() {
        let blob = Bytes::from(encode(&vec![("name".into(), Bytes::from_static(b"value"))]));
        for end in 1..blob.len() {
            assert_eq!(decode(&blob.slice(..end)), None, "cut at {end}");
        }
        assert_eq!(decode(&Bytes::from_static(&[255, 255, 255, 255, 1])), None);
    }
}
