//! The state of shards as bytes, for snapshots.
//!
//! Written are the catalogue, and for each shard the sessions, the orders and the counts of what is popular. What can be
//! derived (postings, popularity, the order of retention) is not, and nothing depends on the number of shards: what n
//! shards wrote can be restored into m. Whoever stores it adds a checksum and the offsets of the log.

use super::retention::LOTS;
use super::sessions::{SessionView, StoredClick};
use super::shard::Shard;
use super::{Catalogue, SessionIndex, SessionKey, Window, varint};
use std::io::{self, Read, Write};
use std::ops::DerefMut;

/// The version of the format, the first number in the bytes of a shard and of a catalogue.
const VERSION: u64 = 1;

/// Why bytes are not a state.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They end early, cannot be read, or hold a number that is too large.
    #[error("read the state of the model")]
    Io(#[from] io::Error),
    /// They were written by another version.
    #[error("the state of the model has version {0}, this is version {VERSION}")]
    Version(u64),
    /// They hold what no model has.
    #[error("the state of the model holds {0}")]
    Corrupt(&'static str),
}

impl Catalogue {
    /// Writes all SKUs in the order of their ids.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode(&self, output: &mut impl Write) -> io::Result<()> {
        varint::write(output, VERSION)?;
        varint::write(output, self.len() as u64)?;
        for sku in self.skus() {
            varint::write(output, sku.len() as u64)?;
            output.write_all(sku.as_bytes())?;
        }
        Ok(())
    }

    /// Reads a catalogue of at most `max_items` SKUs.
    ///
    /// # Errors
    /// When the bytes are not those of a catalogue, or of a larger one.
    pub fn decode(input: &mut impl Read, max_items: usize) -> Result<Self, DecodeError> {
        check_version(input)?;
        let mut catalogue = Self::new(max_items);
        let items = varint::read(input)?;
        for item in 0..items {
            let length = varint::read(input)?;
            let mut sku = String::new();
            input.take(length).read_to_string(&mut sku)?;
            let id = catalogue.intern(&sku).ok_or(DecodeError::Corrupt("too many SKUs"))?;
            if id.index() as u64 != item {
                return Err(DecodeError::Corrupt("a SKU twice"));
            }
        }
        Ok(catalogue)
    }
}

impl Shard {
    /// Writes the shard's state.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode(&self, output: &mut impl Write) -> io::Result<()> {
        varint::write(output, VERSION)?;
        encode_index(&self.visits, output)?;
        encode_index(&self.orders, output)?;
        varint::write_signed(output, self.trending.watermark_ms())?;
        for window in [Window::Hour, Window::Day] {
            let counts: Vec<_> = self.trending.window(window).counts().collect();
            varint::write(output, counts.len() as u64)?;
            for (start_ms, item, count) in counts {
                varint::write_signed(output, start_ms)?;
                varint::write(output, u64::from(item))?;
                varint::write(output, u64::from(count))?;
            }
        }
        Ok(())
    }

    /// Adds what one shard wrote to the shards that have its sessions now, be they as many as then or not.
    ///
    /// # Errors
    /// When the bytes are not those of a shard with the items of this catalogue. The shards then have a part of it, and
    /// are to be thrown away.
    pub fn restore<S: DerefMut<Target = Self>>(
        shards: &mut [S],
        catalogue: &Catalogue,
        input: &mut impl Read,
    ) -> Result<(), DecodeError> {
        check_version(input)?;
        restore_index(shards, |shard| &mut shard.visits, catalogue, input)?;
        restore_index(shards, |shard| &mut shard.orders, catalogue, input)?;
        let watermark_ms = varint::read_signed(input)?;
        shards.iter_mut().for_each(|shard| shard.trending.advance(watermark_ms));
        for window in [Window::Hour, Window::Day] {
            for _ in 0..varint::read(input)? {
                let start_ms = varint::read_signed(input)?;
                let item = read_item(catalogue, input)?;
                let count = varint::read_u32(input)?;
                // Answers add the counts of all shards.
                let shard = item as usize % shards.len();
                shards[shard].trending.restore(window, (start_ms, item, count));
            }
        }
        Ok(())
    }
}

fn check_version(input: &mut impl Read) -> Result<(), DecodeError> {
    match varint::read(input)? {
        VERSION => Ok(()),
        other => Err(DecodeError::Version(other)),
    }
}

fn read_item(catalogue: &Catalogue, input: &mut impl Read) -> Result<u32, DecodeError> {
    let item = varint::read_u32(input)?;
    if item as usize >= catalogue.len() {
        return Err(DecodeError::Corrupt("an item that is not in the catalogue"));
    }
    Ok(item)
}

fn encode_index(index: &SessionIndex, output: &mut impl Write) -> io::Result<()> {
    varint::write(output, index.len() as u64)?;
    index.sessions().try_for_each(|session| encode_session(&session, output))?;
    (0..LOTS).try_for_each(|lot| varint::write_signed(output, index.floor_ms(lot)))
}

fn encode_session(session: &SessionView<'_>, output: &mut impl Write) -> io::Result<()> {
    output.write_all(&session.key.bits().to_le_bytes())?;
    varint::write_signed(output, session.base_ms)?;
    varint::write(output, session.clicks.len() as u64)?;
    let mut last_ms = 0;
    for click in session.clicks {
        varint::write(output, u64::from(click.item))?;
        varint::write(output, u64::from(click.offset_ms - last_ms))?;
        output.write_all(&click.fingerprint.to_le_bytes())?;
        last_ms = click.offset_ms;
    }
    Ok(())
}

fn restore_index<S: DerefMut<Target = Shard>>(
    shards: &mut [S],
    index: impl Fn(&mut Shard) -> &mut SessionIndex,
    catalogue: &Catalogue,
    input: &mut impl Read,
) -> Result<(), DecodeError> {
    let mut clicks = Vec::new();
    for _ in 0..varint::read(input)? {
        let (key, base_ms) = read_session(catalogue, &mut clicks, input)?;
        let shard = Shard::of(key, shards.len());
        if !index(&mut shards[shard]).restore(&SessionView { key, base_ms, clicks: &clicks }) {
            return Err(DecodeError::Corrupt("a session twice"));
        }
    }
    for lot in 0..LOTS {
        let floor_ms = varint::read_signed(input)?;
        shards.iter_mut().for_each(|shard| index(shard).raise_floor(lot, floor_ms));
    }
    Ok(())
}

/// Reads a session: its clicks into `clicks`, and its key and base time.
fn read_session(
    catalogue: &Catalogue,
    clicks: &mut Vec<StoredClick>,
    input: &mut impl Read,
) -> Result<(SessionKey, i64), DecodeError> {
    let mut key = [0; 8];
    input.read_exact(&mut key)?;
    let base_ms = varint::read_signed(input)?;
    let mut offset_ms = 0u32;
    clicks.clear();
    for _ in 0..varint::read(input)? {
        let item = read_item(catalogue, input)?;
        let later_ms = varint::read_u32(input)?;
        offset_ms = offset_ms
            .checked_add(later_ms)
            .ok_or(DecodeError::Corrupt("a session of over 49 days"))?;
        let mut fingerprint = [0; 4];
        input.read_exact(&mut fingerprint)?;
        clicks.push(StoredClick { item, offset_ms, fingerprint: u32::from_le_bytes(fingerprint) });
    }
    if clicks.is_empty() || clicks.len() > super::arena::MAX_RUN {
        return Err(DecodeError::Corrupt("a session without clicks or with too many"));
    }
    Ok((SessionKey::from_bits(u64::from_le_bytes(key)), base_ms))
}
