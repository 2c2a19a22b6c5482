//! Confluent's wire format: a zero byte, the schema's id (big endian), the Avro body. Ids come
//! from the registry and are kept; a registry that is away delays, and never poisons what is kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
};

use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use bytes::Bytes;
use schema_registry_converter::{
    async_impl::schema_registry::{SrSettings, get_all_subjects, get_schema_by_id, post_schema},
    error::SRCError,
    schema_registry_common::{SchemaType, SuppliedSchema},
};

use crate::{
    activity::{Activity, ActivityKind},
    contracts::{CONTRACTS, Contract, Event},
};

/// Why an event could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CodecError {
    /// The registry does not answer; trying again will help.
    #[error("the schema registry is out of reach: {0}")]
    Unavailable(String),
    /// The registry refuses our schema: it is incompatible with what is released.
    #[error("the schema registry refuses {subject}: {reason}")]
    Refused {
        /// The subject that was to be registered.
        subject: String,
        /// The registry's answer.
        reason: String,
    },
    /// The bytes are no event.
    #[error("cannot decode: {0}")]
    Malformed(String),
}

impl CodecError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// What bytes turned out to be.
#[expect(clippy::large_enum_variant, reason = "the large one is the rule, the small one rare")]
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// An event of ours.
    Event(Event),
    /// A well-formed event that this version of the code doesn't know yet, by its full name.
    Unknown(String),
}

/// Writes and reads events. One per process and registry; cheap to share.
pub struct Codec {
    registry: Option<SrSettings>,
    /// The ids of our newest schemas, by contract.
    own: Vec<OnceLock<u32>>,
    /// What the ids we have met were written with: a few, in an order that is searched faster than they are hashed.
    met: RwLock<BTreeMap<u32, Arc<Written>>>,
}

/// How to read what was written with one schema id.
enum Written {
    /// With the newest schema of a contract: read straight into the type.
    Newest(usize),
    /// With another version: resolved by Avro's rules (I10). The schema lives as long as the
    /// process; there are as many as versions were ever released.
    Older(usize, &'static Schema),
    /// Not one of ours.
    Foreign(String),
}

/// The newest schema of every contract, parsed once.
static NEWEST: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    let parse = |contract: &Contract| {
        let text = contract.versions.last().copied().unwrap_or_default();
        Schema::parse_str(text).unwrap_or_else(|e| panic!("schema of {}: {e}", contract.name))
    };
    CONTRACTS.iter().map(parse).collect()
});

static WRITERS: LazyLock<Vec<GenericDatumWriter<'static>>> = LazyLock::new(|| {
    let writer = |schema| GenericDatumWriter::builder(schema).build();
    NEWEST.iter().map(|schema| writer(schema).unwrap_or_else(|e| panic!("{e}"))).collect()
});

static READERS: LazyLock<Vec<GenericDatumReader<'static>>> = LazyLock::new(|| {
    let reader = |schema| GenericDatumReader::builder(schema).build();
    NEWEST.iter().map(|schema| reader(schema).unwrap_or_else(|e| panic!("{e}"))).collect()
});

const MAGIC: u8 = 0;
const HEADER_BYTES: usize = 5;

impl Codec {
    /// A codec that asks the registry at these settings.
    pub fn new(registry: SrSettings) -> Self {
        Self {
            registry: Some(registry),
            own: CONTRACTS.iter().map(|_| OnceLock::new()).collect(),
            met: RwLock::default(),
        }
    }

    /// A codec without a registry: ids are the contracts' numbers. For simulations.
    pub fn fixed() -> Self {
        let ids = (0..).zip(CONTRACTS).map(|(id, _)| id);
        Self {
            registry: None,
            own: ids.clone().map(OnceLock::from).collect(),
            met: RwLock::new(
                ids.zip(0..).map(|(id, i)| (id, Arc::new(Written::Newest(i)))).collect(),
            ),
        }
    }

    /// Registers the newest schemas of all events that `owner` says, and keeps their ids.
    ///
    /// # Errors
    /// When the registry is out of reach, or refuses a schema as incompatible.
    pub async fn register(&self, owner: &str) -> Result<(), CodecError> {
        let Some(registry) = &self.registry else { return Ok(()) };
        for (index, contract) in CONTRACTS.iter().enumerate() {
            if contract.owner != owner || self.own[index].get().is_some() {
                continue;
            }
            let id = register(registry, contract).await?;
            self.keep(id, Written::Newest(index));
            self.own[index].get_or_init(|| id);
        }
        Ok(())
    }

    /// Whether the registry answers and has the schemas of all events that `owner` says.
    ///
    /// # Errors
    /// What keeps events from being written.
    pub async fn ping(&self, owner: &str) -> Result<(), CodecError> {
        let Some(registry) = &self.registry else { return Ok(()) };
        let subjects = get_all_subjects(registry).await;
        subjects.map_err(|e| CodecError::Unavailable(e.to_string()))?;
        let mut own =
            CONTRACTS.iter().zip(&self.own).filter(|(contract, _)| contract.owner == owner);
        match own.find(|(_, id)| id.get().is_none()) {
            Some((contract, _)) => Err(not_registered(contract.name)),
            None => Ok(()),
        }
    }

    /// Writes an event.
    ///
    /// # Errors
    /// [`CodecError::Unavailable`] until [`Codec::register`] has succeeded for its owner.
    pub fn encode(&self, event: &Event) -> Result<Bytes, CodecError> {
        let index = event.index();
        let id = self.own[index].get().ok_or_else(|| not_registered(event.name()))?;
        let mut bytes = Vec::with_capacity(256);
        bytes.push(MAGIC);
        bytes.extend(id.to_be_bytes());
        let written = event.write(&WRITERS[index], &mut bytes);
        written.map_err(|e| CodecError::Malformed(e.to_string()))?;
        Ok(bytes.into())
    }

    /// Reads an event, whichever schema version it was written with.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when the bytes can never be read, [`CodecError::Unavailable`]
    /// when the registry has to be asked for the schema and doesn't answer.
    pub async fn decode(&self, bytes: &[u8]) -> Result<Decoded, CodecError> {
        let (id, mut body) = split(bytes)?;
        let written = self.written(id).await?;
        let malformed = |e: apache_avro::Error| CodecError::Malformed(e.to_string());
        let event = match &*written {
            Written::Foreign(name) => return Ok(Decoded::Unknown(name.clone())),
            Written::Newest(index) => {
                (CONTRACTS[*index].read)(&READERS[*index], &mut body).map_err(malformed)?
            }
            Written::Older(index, schema) => {
                let reader = GenericDatumReader::builder(schema).reader_schema(&NEWEST[*index]);
                let value = reader.build().and_then(|reader| reader.read_value(&mut body));
                (CONTRACTS[*index].resolve)(&value.map_err(malformed)?).map_err(malformed)?
            }
        };
        if body.is_empty() {
            Ok(Decoded::Event(event))
        } else {
            Err(CodecError::Malformed(format!("{} bytes behind the event", body.len())))
        }
    }

    /// Reads a visitor's click without copying, if nothing about it has to be asked or explained:
    /// what `None` is about is [`decode`](Self::decode)'s to say.
    pub fn activity<'r>(&self, bytes: &'r [u8]) -> Option<Activity<'r>> {
        let (id, body) = split(bytes).ok()?;
        let met = self.met.read().unwrap_or_else(PoisonError::into_inner);
        let Written::Newest(index) = **met.get(&id)? else { return None };
        drop(met);
        Activity::read(ActivityKind::of(CONTRACTS[index].name)?, body)
    }

    /// How to read what was written with schema `id`; asks the registry once.
    async fn written(&self, id: u32) -> Result<Arc<Written>, CodecError> {
        let met = self.met.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(written) = met {
            return Ok(written);
        }
        let Some(registry) = &self.registry else { return Err(unknown_id(id)) };
        let answer = get_schema_by_id(id, registry).await.map_err(|e| lookup_error(id, &e))?;
        let schema = Schema::parse_str(&answer.schema)
            .map_err(|e| CodecError::Malformed(format!("schema {id}: {e}")))?;
        Ok(self.keep(id, classify(schema)))
    }

    fn keep(&self, id: u32, written: Written) -> Arc<Written> {
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        met.entry(id).or_insert_with(|| Arc::new(written)).clone()
    }
}

/// Takes the wire format apart.
fn split(bytes: &[u8]) -> Result<(u32, &[u8]), CodecError> {
    match bytes {
        [MAGIC, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        [MAGIC, ..] | [] => Err(CodecError::Malformed(format!(
            "{} bytes are too few for a schema id, which needs {HEADER_BYTES}",
            bytes.len()
        ))),
        [first, ..] => {
            Err(CodecError::Malformed(format!("the first byte is {first}, Confluent's is 0")))
        }
    }
}

fn classify(schema: Schema) -> Written {
    let name = schema.name().map(|name| name.fullname(None)).unwrap_or_default();
    match CONTRACTS.iter().position(|contract| contract.full_name() == name) {
        Some(index) if NEWEST[index] == schema => Written::Newest(index),
        Some(index) => Written::Older(index, Box::leak(Box::new(schema))),
        None => Written::Foreign(name),
    }
}

async fn register(registry: &SrSettings, contract: &Contract) -> Result<u32, CodecError> {
    let text = contract.versions.last().copied().unwrap_or_default().to_owned();
    let schema = SuppliedSchema::new(Some(contract.full_name()), SchemaType::Avro, text);
    match post_schema(registry, contract.subject(), schema).await {
        Ok(registered) => Ok(registered.id),
        Err(e) if answered_with(&e, &["409", "422"]) => {
            Err(CodecError::Refused { subject: contract.subject(), reason: e.to_string() })
        }
        Err(e) => Err(CodecError::Unavailable(e.to_string())),
    }
}

/// Only the registry's own "no such schema" is final; any other failure may pass.
fn lookup_error(id: u32, error: &SRCError) -> CodecError {
    if answered_with(error, &["404"]) && error.to_string().contains("40403") {
        unknown_id(id)
    } else {
        CodecError::Unavailable(error.to_string())
    }
}

fn not_registered(event: &str) -> CodecError {
    CodecError::Unavailable(format!("the schema of {event} is not registered yet"))
}

fn unknown_id(id: u32) -> CodecError {
    CodecError::Malformed(format!("the registry has no schema {id}"))
}

/// Whether the registry answered with one of these HTTP statuses; the client tells it in words.
fn answered_with(error: &SRCError, statuses: &[&str]) -> bool {
    let mut words = error.error.split(|c: char| !c.is_ascii_digit());
    words.any(|word| statuses.contains(&word))
}

#[cfg(test)]
mod tests;
