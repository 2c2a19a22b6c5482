//! Variable-length integers (LEB128, as in DWARF 5, section 7.6): small numbers take few bytes.

use std::io::{Error, ErrorKind, Read, Result, Write};

/// Writes a number, 7 bits to a byte, the lowest first.
///
/// # Errors
/// Those of the writer.
pub fn write(output: &mut impl Write, mut number: u64) -> Result<()> {
    while number >= 0x80 {
        output.write_all(&[number.to_le_bytes()[0] | 0x80])?;
        number >>= 7;
    }
    output.write_all(&[number.to_le_bytes()[0]])
}

/// Reads a number.
///
/// # Errors
/// Those of the reader, and `InvalidData` for more than 64 bits.
pub fn read(input: &mut impl Read) -> Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(number);
        }
    }
    Err(Error::from(ErrorKind::InvalidData))
}

/// Reads a number of at most 32 bits.
///
/// # Errors
/// Those of the reader, and `InvalidData` for more.
pub fn read_u32(input: &mut impl Read) -> Result<u32> {
    u32::try_from(read(input)?).map_err(|_| Error::from(ErrorKind::InvalidData))
}

/// Writes a number with a sign, small ones of either sign in few bytes.
///
/// # Errors
/// Those of the writer.
pub fn write_signed(output: &mut impl Write, number: i64) -> Result<()> {
    write(output, ((number << 1) ^ (number >> 63)).cast_unsigned())
}

/// Reads a number with a sign.
///
/// # Errors
/// As [`read`].
pub fn read_signed(input: &mut impl Read) -> Result<i64> {
    let number = read(input)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<u64>(), signed in any::<i64>(), bits in 0u32..64) {
            let (number, signed) = (number >> bits, signed >> bits);
            let mut bytes = Vec::new();
            write(&mut bytes, number).unwrap();
            write_signed(&mut bytes, signed).unwrap();
            let mut input = &bytes[..];
            prop_assert_eq!((read(&mut input).unwrap(), read_signed(&mut input).unwrap()), (number, signed));
            prop_assert!(input.is_empty());
        }
    }
}
