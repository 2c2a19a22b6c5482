//! The client that the shop uses, `schema_registry_converter`, cannot tell us from Confluent.

use apache_avro::types::Value as Avro;
use schema_registry_converter::async_impl::avro::{AvroDecoder, AvroEncoder};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_subject_and_version, post_schema,
};
use schema_registry_converter::schema_registry_common::{
    SchemaType, SubjectNameStrategy, SuppliedSchema,
};
use serde_json::{Value, json};

use crate::server::{Server, record, unique};

fn settings(server: &Server) -> SrSettings {
    SrSettings::new_builder(server.url.clone()).no_proxy().build().unwrap()
}

fn supplied(schema: &Value) -> SuppliedSchema {
    let name = format!("shop.test.{}", schema["name"].as_str().unwrap());
    SuppliedSchema::new(Some(name), SchemaType::Avro, schema.to_string())
}

#[tokio::test]
async fn an_event_is_encoded_and_decoded_with_a_schema_that_the_client_registers() {
    let server = Server::any().await;
    let topic = unique("shop.orders");
    let schema = record("Placed", &[("order_id", "string"), ("total_minor", "long")]);
    let strategy =
        SubjectNameStrategy::TopicRecordNameStrategyWithSchema(topic.clone(), supplied(&schema));
    let fields = vec![("order_id", Avro::String("o-1".into())), ("total_minor", Avro::Long(1999))];
    let bytes = AvroEncoder::new(settings(&server)).encode(fields, strategy).await.unwrap();
    assert_eq!(bytes[0], 0);
    let (_, latest) =
        server.get(&format!("/subjects/{topic}-shop.test.Placed/versions/latest")).await;
    assert_eq!(latest["id"], u32::from_be_bytes(bytes[1..5].try_into().unwrap()));
    let decoded = AvroDecoder::new(settings(&server)).decode(Some(&bytes)).await.unwrap();
    let Avro::Record(fields) = decoded.value else { panic!("not a record") };
    assert_eq!(fields[1], ("total_minor".to_owned(), Avro::Long(1999)));
}

#[tokio::test]
async fn an_encoder_finds_the_latest_version_and_a_decoder_every_version() {
    let server = Server::any().await;
    let topic = unique("shop.products");
    let first = record("Changed", &[("sku", "string")]);
    let mut second = record("Changed", &[("sku", "string"), ("price_minor", "long")]);
    second["fields"][1]["default"] = json!(0);
    let subject = format!("{topic}-shop.test.Changed");
    let strategy =
        || SubjectNameStrategy::TopicRecordNameStrategy(topic.clone(), "shop.test.Changed".into());
    let sku = || ("sku", Avro::String("s-1".into()));

    let posted = post_schema(&settings(&server), subject.clone(), supplied(&first)).await.unwrap();
    let old = AvroEncoder::new(settings(&server)).encode(vec![sku()], strategy()).await.unwrap();
    assert_eq!(old[1..5], posted.id.to_be_bytes());
    server.register(&subject, &second).await;
    let fields = vec![sku(), ("price_minor", Avro::Long(5))];
    let new = AvroEncoder::new(settings(&server)).encode(fields, strategy()).await.unwrap();
    assert_ne!(old[1..5], new[1..5]);

    let decoder = AvroDecoder::new(settings(&server));
    assert!(decoder.decode(Some(&old)).await.is_ok());
    assert!(decoder.decode(Some(&new)).await.is_ok());
    let found =
        get_schema_by_subject_and_version(&settings(&server), &subject, Some(1)).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&found.schema).unwrap(), first);
}

#[tokio::test]
async fn a_decoder_still_reads_events_of_a_deleted_subject() {
    let server = Server::any().await;
    let topic = unique("shop.gone");
    let schema = record("Gone", &[("sku", "string")]);
    let strategy =
        SubjectNameStrategy::TopicRecordNameStrategyWithSchema(topic.clone(), supplied(&schema));
    let fields = vec![("sku", Avro::String("s-1".into()))];
    let bytes = AvroEncoder::new(settings(&server)).encode(fields, strategy).await.unwrap();
    server.delete(&format!("/subjects/{topic}-shop.test.Gone")).await;
    assert!(AvroDecoder::new(settings(&server)).decode(Some(&bytes)).await.is_ok());
}

#[tokio::test]
async fn an_unknown_schema_id_is_an_error_that_is_not_worth_retrying() {
    let server = Server::any().await;
    let bytes = [0, 0x7f, 0, 0, 1, 0];
    let error = AvroDecoder::new(settings(&server)).decode(Some(&bytes)).await.unwrap_err();
    assert!(!error.retriable, "{error}");
}
