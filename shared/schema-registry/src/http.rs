//! Confluent's REST API over [`Registry`]: parse, call, reply.
//!
//! <https://docs.confluent.io/platform/current/schema-registry/develop/api.html>

use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use self::wire::{Failure, Flags, LevelBody, SchemaBody, answer};
use crate::compatibility::CompatibilityLevel;
use crate::error::RegistryError;
use crate::registry::Registry;
use crate::subject::Selector;
use crate::verdict::Against;

mod wire;

/// Mounts the registry:
/// `App::new().service(web::scope("/registry").configure(configure(registry.clone())))`.
///
/// Only ever inside a scope: it sets the scope's answers to bad bodies, bad queries and unknown
/// paths.
pub fn configure(registry: Registry) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config.app_data(Data::new(registry));
        config.app_data(wire::json_config());
        config.app_data(wire::query_config()).app_data(wire::path_config());
        config.default_service(web::to(|| async { Failure::UnknownPath.error_response() }));
        config.configure(subject_routes).configure(schema_routes).configure(policy_routes);
    }
}

fn subject_routes(config: &mut ServiceConfig) {
    config
        .route("/subjects", web::get().to(subjects))
        .route("/subjects/{subject}", web::post().to(lookup))
        .route("/subjects/{subject}", web::delete().to(delete_subject))
        .route("/subjects/{subject}/versions", web::get().to(versions))
        .route("/subjects/{subject}/versions", web::post().to(register))
        .route("/subjects/{subject}/versions/{version}", web::get().to(version))
        .route("/subjects/{subject}/versions/{version}", web::delete().to(delete_version))
        .route("/subjects/{subject}/versions/{version}/schema", web::get().to(version_schema));
}

fn schema_routes(config: &mut ServiceConfig) {
    config
        .route("", web::get().to(root))
        .route("/", web::get().to(root))
        .route("/schemas", web::get().to(schemas))
        .route("/schemas/types", web::get().to(types))
        .route("/schemas/ids/{id}", web::get().to(schema_by_id))
        .route("/schemas/ids/{id}/schema", web::get().to(schema_text_by_id))
        .route("/schemas/ids/{id}/versions", web::get().to(versions_by_id))
        .route("/schemas/ids/{id}/subjects", web::get().to(subjects_by_id));
}

fn policy_routes(config: &mut ServiceConfig) {
    config
        .route("/config", web::get().to(global_level))
        .route("/config", web::put().to(set_global_level))
        .route("/config", web::delete().to(delete_global_level))
        .route("/config/{subject}", web::get().to(subject_level))
        .route("/config/{subject}", web::put().to(set_subject_level))
        .route("/config/{subject}", web::delete().to(delete_subject_level))
        .route("/mode", web::get().to(mode))
        .route("/mode/{subject}", web::get().to(subject_mode))
        .route("/compatibility/subjects/{subject}/versions", web::post().to(test_subject))
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            web::post().to(test_version),
        );
}

type Reply = Result<HttpResponse, Failure>;

// ---- subjects and versions

async fn subjects(registry: Data<Registry>, flags: Query<Flags>) -> Reply {
    let prefix = flags.subject_prefix.as_deref().unwrap_or_default();
    let names = registry.subjects(prefix, flags.visibility()).await?;
    let page = flags.page();
    answer(names.into_iter().skip(page.start).take(page.len()).collect::<Vec<_>>())
}

async fn versions(registry: Data<Registry>, subject: Path<String>, flags: Query<Flags>) -> Reply {
    let versions = registry.versions(&subject, flags.visibility()).await?;
    let page = flags.page();
    answer(versions.into_iter().skip(page.start).take(page.len()).collect::<Vec<_>>())
}

async fn version(
    registry: Data<Registry>,
    path: Path<(String, String)>,
    flags: Query<Flags>,
) -> Reply {
    let (subject, version) = path.into_inner();
    answer(registry.version(&subject, version.parse()?, flags.visibility()).await?)
}

async fn version_schema(
    registry: Data<Registry>,
    path: Path<(String, String)>,
    flags: Query<Flags>,
) -> Reply {
    let (subject, version) = path.into_inner();
    let found = registry.version(&subject, version.parse()?, flags.visibility()).await?;
    Ok(wire::text(found.schema))
}

async fn register(
    registry: Data<Registry>,
    subject: Path<String>,
    body: Json<SchemaBody>,
) -> Reply {
    let text = body.avro_to_register(&subject)?;
    let registered = registry.register(&subject, text).await?;
    answer(json!({ "id": registered.id }))
}

async fn lookup(
    registry: Data<Registry>,
    subject: Path<String>,
    flags: Query<Flags>,
    body: Json<SchemaBody>,
) -> Reply {
    answer(registry.lookup(&subject, body.avro()?, flags.visibility()).await?)
}

async fn delete_subject(
    registry: Data<Registry>,
    subject: Path<String>,
    flags: Query<Flags>,
) -> Reply {
    answer(registry.delete_subject(&subject, flags.deletion()).await?)
}

async fn delete_version(
    registry: Data<Registry>,
    path: Path<(String, String)>,
    flags: Query<Flags>,
) -> Reply {
    let (subject, version) = path.into_inner();
    answer(registry.delete_version(&subject, version.parse()?, flags.deletion()).await?)
}

// ---- schemas

async fn root() -> Reply {
    answer(json!({}))
}

async fn types() -> Reply {
    answer(["AVRO"])
}

async fn schemas(registry: Data<Registry>, flags: Query<Flags>) -> Reply {
    let prefix = flags.subject_prefix.as_deref().unwrap_or_default();
    answer(registry.schemas(prefix, flags.visibility(), flags.latest_only, flags.page()).await?)
}

async fn schema_by_id(registry: Data<Registry>, id: Path<String>) -> Reply {
    answer(json!({ "schema": registry.schema_by_id(wire::id(&id)?).await? }))
}

async fn schema_text_by_id(registry: Data<Registry>, id: Path<String>) -> Reply {
    Ok(wire::text(registry.schema_by_id(wire::id(&id)?).await?))
}

async fn versions_by_id(registry: Data<Registry>, id: Path<String>, flags: Query<Flags>) -> Reply {
    let uses = registry.uses(wire::id(&id)?, flags.visibility()).await?;
    let versions = uses.into_iter();
    answer(
        versions
            .map(|(subject, version)| json!({ "subject": subject, "version": version }))
            .collect::<Vec<_>>(),
    )
}

async fn subjects_by_id(registry: Data<Registry>, id: Path<String>, flags: Query<Flags>) -> Reply {
    let uses = registry.uses(wire::id(&id)?, flags.visibility()).await?;
    let mut subjects: Vec<_> = uses.into_iter().map(|(subject, _)| subject).collect();
    subjects.dedup();
    answer(subjects)
}

// ---- compatibility

async fn global_level(registry: Data<Registry>) -> Reply {
    level(registry.global_level().await?)
}

async fn set_global_level(registry: Data<Registry>, body: Json<LevelBody>) -> Reply {
    let level = body.level()?;
    registry.set_global_level(level).await?;
    answer(json!({ "compatibility": level.as_str() }))
}

async fn delete_global_level(registry: Data<Registry>) -> Reply {
    level(registry.delete_global_level().await?)
}

async fn subject_level(
    registry: Data<Registry>,
    subject: Path<String>,
    flags: Query<Flags>,
) -> Reply {
    level(if flags.default_to_global {
        registry.effective_level(&subject).await?
    } else {
        registry.subject_level(&subject).await?
    })
}

async fn set_subject_level(
    registry: Data<Registry>,
    subject: Path<String>,
    body: Json<LevelBody>,
) -> Reply {
    let level = body.level()?;
    registry.set_subject_level(&subject, level).await?;
    answer(json!({ "compatibility": level.as_str() }))
}

async fn delete_subject_level(registry: Data<Registry>, subject: Path<String>) -> Reply {
    level(registry.delete_subject_level(&subject).await?)
}

fn level(level: CompatibilityLevel) -> Reply {
    answer(json!({ "compatibilityLevel": level.as_str() }))
}

async fn mode() -> Reply {
    answer(json!({ "mode": "READWRITE" }))
}

async fn subject_mode(subject: Path<String>, flags: Query<Flags>) -> Reply {
    if flags.default_to_global {
        return mode().await;
    }
    Err(RegistryError::ModeNotConfigured(subject.into_inner()).into())
}

async fn test_subject(
    registry: Data<Registry>,
    subject: Path<String>,
    flags: Query<Flags>,
    body: Json<SchemaBody>,
) -> Reply {
    test(&registry, &subject, Against::Subject, &flags, &body).await
}

async fn test_version(
    registry: Data<Registry>,
    path: Path<(String, String)>,
    flags: Query<Flags>,
    body: Json<SchemaBody>,
) -> Reply {
    let (subject, version) = path.into_inner();
    let version: Selector = version.parse()?;
    test(&registry, &subject, Against::Version(version), &flags, &body).await
}

async fn test(
    registry: &Registry,
    subject: &str,
    against: Against,
    flags: &Flags,
    body: &SchemaBody,
) -> Reply {
    let messages = match registry.test_compatibility(subject, body.avro()?, against).await {
        Ok(verdict) => verdict.messages(),
        // Who asks for reasons gets this one too, instead of an error; so does Confluent.
        Err(error @ RegistryError::InvalidSchema(_)) if flags.verbose => vec![error.to_string()],
        Err(error) => return Err(error.into()),
    };
    let mut reply = json!({ "is_compatible": messages.is_empty() });
    if flags.verbose {
        reply["messages"] = json!(messages);
    }
    answer(reply)
}
