//! Snapshots: everything learned, together with the offsets of the log that it reflects.
//!
//! One file holds one moment of all shards, so no crash can leave halves of two. It is written beside the others,
//! synced, and renamed; the two newest are kept. In the file, numbers as in DWARF's LEB128:
//!
//! ```text
//! "SHOPRECO" · version (u32, little endian)
//! positions: count · (length and name of the topic · partition · offset of the next record)*
//! assortment · number of shards · shard*
//! CRC-32 of all that (u32, little endian)
//! ```

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use messaging::record::{Position, TopicPartition};

use crate::{
    assortment::Assortment,
    model::{DecodeError, Parameters, Shard, varint},
    pool::Pool,
};

const MAGIC: &[u8; 8] = b"SHOPRECO";
const VERSION: u32 = 1;
const KEPT: usize = 2;
const PREFIX: &str = "snapshot-";
/// Where a snapshot that cannot be read is put aside, for whoever wants to know why.
const BROKEN: &str = "broken-snapshot";
const UNFINISHED: &str = "unfinished-snapshot";
const CHECKSUM_BYTES: usize = size_of::<u32>();
/// A topic's name is no longer (Kafka's limit).
const MAX_TOPIC_BYTES: u64 = 249;

/// The snapshots of one replica, in a directory of its own.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// What a snapshot is made of.
pub struct Parts {
    /// The next record to read, of every partition.
    pub positions: Vec<Position>,
    /// The assortment's bytes.
    pub assortment: Vec<u8>,
    /// Each shard's bytes.
    pub shards: Vec<Vec<u8>>,
}

/// A snapshot as it was read.
pub struct Restored {
    /// What was learned.
    pub pool: Pool,
    /// The next record to read, of every partition.
    pub positions: Vec<Position>,
}

/// Into what a snapshot is read: as many shards as are wanted now, not as there were.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The model's parameters.
    pub parameters: Parameters,
    /// How many shards.
    pub shards: usize,
    /// How many SKUs there may be.
    pub max_items: usize,
}

/// Why a file is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read, or ends early.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is another kind of file.
    #[error("is no snapshot")]
    Foreign,
    /// Another version of the service wrote it.
    #[error("has version {0}, this is version {VERSION}")]
    Version(u32),
    /// What is in it is not what was written.
    #[error("has another checksum than its content")]
    Checksum,
    /// The checksum is right, but the model cannot read it.
    #[error("holds no model: {0}")]
    Content(#[from] DecodeError),
}

impl Store {
    /// The snapshots in `dir`, which is made if need be.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let store = Self { dir: dir.to_owned() };
        match fs::remove_file(store.dir.join(UNFINISHED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(store),
        }
    }

    /// Writes a snapshot and forgets all but the two newest; returns its size in bytes.
    ///
    /// # Errors
    /// When the directory cannot be written; the older snapshots are then as they were.
    pub fn save(&self, parts: &Parts) -> io::Result<u64> {
        let kept = self.newest_first()?;
        let number = kept.first().map_or(1, |(number, _)| number + 1);
        let unfinished = self.dir.join(UNFINISHED);
        let bytes = write(&unfinished, parts)?;
        fs::rename(unfinished, self.dir.join(format!("{PREFIX}{number:020}")))?;
        File::open(&self.dir)?.sync_all()?;
        for (_, old) in kept.iter().skip(KEPT - 1) {
            fs::remove_file(old)?;
        }
        Ok(bytes)
    }

    /// The newest snapshot that can be read and that `fits`; those that cannot be read are told of and put aside.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn load(
        &self,
        shape: &Shape,
        fits: impl Fn(&[Position]) -> bool,
    ) -> io::Result<Option<Restored>> {
        for (_, path) in self.newest_first()? {
            match read(&path, shape) {
                Ok(restored) if fits(&restored.positions) => return Ok(Some(restored)),
                Ok(_) => {
                    tracing::warn!(snapshot = %path.display(), "is of another log, not used");
                }
                Err(error) => {
                    tracing::error!(snapshot = %path.display(), %error, "not used, put aside");
                    fs::rename(&path, self.dir.join(BROKEN))?;
                }
            }
        }
        Ok(None)
    }

    fn newest_first(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            found.extend(number.map(|number| (number, entry.path())));
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        Ok(found)
    }
}

/// Counts and sums up what goes through it.
struct Summing<S> {
    inner: S,
    crc: crc32fast::Hasher,
    bytes: u64,
}

impl<S> Summing<S> {
    fn new(inner: S) -> Self {
        Self { inner, crc: crc32fast::Hasher::new(), bytes: 0 }
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.crc.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write(path: &Path, parts: &Parts) -> io::Result<u64> {
    let mut output = Summing::new(BufWriter::new(File::create(path)?));
    output.write_all(MAGIC)?;
    output.write_all(&VERSION.to_le_bytes())?;
    varint::write(&mut output, parts.positions.len() as u64)?;
    for Position { at, offset } in &parts.positions {
        varint::write(&mut output, at.topic.len() as u64)?;
        output.write_all(at.topic.as_bytes())?;
        varint::write(&mut output, u64::from(at.partition))?;
        varint::write(&mut output, *offset)?;
    }
    output.write_all(&parts.assortment)?;
    varint::write(&mut output, parts.shards.len() as u64)?;
    parts.shards.iter().try_for_each(|shard| output.write_all(shard))?;
    let Summing { mut inner, crc, bytes } = output;
    inner.write_all(&crc.finalize().to_le_bytes())?;
    let file = inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(bytes + CHECKSUM_BYTES as u64)
}

fn read(path: &Path, shape: &Shape) -> Result<Restored, SnapshotError> {
    let length = fs::metadata(path)?.len();
    let content = length.checked_sub(CHECKSUM_BYTES as u64).ok_or(SnapshotError::Foreign)?;
    // Whether it is what was written is found out before any of it is believed.
    check(&mut BufReader::new(File::open(path)?), content)?;
    let mut input = BufReader::new(File::open(path)?).take(content);
    let (mut magic, mut version) = ([0; MAGIC.len()], [0; 4]);
    input.read_exact(&mut magic)?;
    input.read_exact(&mut version)?;
    match u32::from_le_bytes(version) {
        VERSION => {}
        other => return Err(SnapshotError::Version(other)),
    }
    let positions = read_positions(&mut input)?;
    let assortment = Assortment::decode(&mut input, shape.max_items)?;
    let mut shards: Vec<_> =
        (0..shape.shards).map(|_| Box::new(Shard::new(&shape.parameters))).collect();
    for _ in 0..varint::read(&mut input)? {
        Shard::restore(&mut shards, assortment.catalogue(), &mut input)?;
    }
    let shards = shards.into_iter().map(|shard| *shard).collect();
    let pool = Pool::new(shape.parameters.clone(), assortment, shards);
    Ok(Restored { pool, positions })
}

fn check(input: &mut impl Read, content: u64) -> Result<(), SnapshotError> {
    let mut magic = [0; MAGIC.len()];
    input.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(SnapshotError::Foreign);
    }
    let mut summing = Summing::new(io::sink());
    summing.write_all(&magic)?;
    let rest = content.checked_sub(MAGIC.len() as u64).ok_or(SnapshotError::Foreign)?;
    io::copy(&mut input.take(rest), &mut summing)?;
    let mut checksum = [0; CHECKSUM_BYTES];
    input.read_exact(&mut checksum)?;
    if summing.crc.finalize() == u32::from_le_bytes(checksum) {
        Ok(())
    } else {
        Err(SnapshotError::Checksum)
    }
}

fn read_positions(input: &mut impl Read) -> Result<Vec<Position>, SnapshotError> {
    let mut positions = Vec::new();
    for _ in 0..varint::read(input)? {
        let length = varint::read(input)?;
        if length > MAX_TOPIC_BYTES {
            return Err(DecodeError::Corrupt("a topic with a long name").into());
        }
        let mut topic = String::new();
        input.take(length).read_to_string(&mut topic)?;
        let partition = varint::read_u32(input)?;
        let offset = varint::read(input)?;
        positions.push(Position { at: TopicPartition::new(topic, partition), offset });
    }
    Ok(positions)
}

#[cfg(test)]
mod tests;
