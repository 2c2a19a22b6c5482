use super::*;
use crate::contracts::{order_completed::OrderCompleted, stock_rejected::*};

fn shortage() -> Event {
    StockRejected {
        order_id: "o-1".into(),
        shortages: vec![Shortage { sku: "ä-1".into(), requested: 3, available: -1 }],
        rejected_at: 1_795_248_000_000_000,
    }
    .into()
}

#[tokio::test]
async fn an_event_is_read_as_it_was_written() {
    let codec = Codec::fixed();
    let bytes = codec.encode(&shortage()).unwrap();
    assert_eq!(codec.decode(&bytes).await.unwrap(), Decoded::Event(shortage()));
}

#[tokio::test]
async fn an_event_written_with_another_version_is_resolved() {
    let codec = Codec::fixed();
    let (_, contract) =
        (0..).zip(CONTRACTS).find(|(_, contract)| contract.name == "OrderCompleted").unwrap();
    let tomorrow = contract.versions[0].replace(
        "\"fields\":[",
        "\"fields\":[{\"name\":\"note\",\"type\":\"string\",\"default\":\"\"},",
    );
    let schema = Schema::parse_str(&tomorrow).unwrap();
    let mut value = apache_avro::types::Record::new(&schema).unwrap();
    value.put("note", "new");
    value.put("order_id", "o-1");
    value.put("customer_id", "c-1");
    value.put("completed_at", apache_avro::types::Value::TimestampMicros(7));
    let body = GenericDatumWriter::builder(&schema).build().unwrap();
    let mut bytes = vec![0, 0, 0, 3, 231];
    bytes.extend(body.write_value_to_vec(value).unwrap());
    codec.keep(999, classify(schema));
    let expected =
        OrderCompleted { order_id: "o-1".into(), customer_id: "c-1".into(), completed_at: 7 };
    assert_eq!(codec.decode(&bytes).await.unwrap(), Decoded::Event(expected.into()));
}

#[tokio::test]
async fn an_event_nobody_knows_yet_is_told_apart_from_rubbish() {
    let codec = Codec::fixed();
    let text = r#"{"type":"record","namespace":"shop.payment","name":"Paid","fields":[]}"#;
    codec.keep(999, classify(Schema::parse_str(text).unwrap()));
    let decoded = codec.decode(&[0, 0, 0, 3, 231]).await.unwrap();
    assert_eq!(decoded, Decoded::Unknown("shop.payment.Paid".into()));
}

#[tokio::test]
async fn rubbish_is_refused_for_good() {
    let codec = Codec::fixed();
    let whole = codec.encode(&shortage()).unwrap();
    let mut longer = whole.to_vec();
    longer.push(0);
    for rubbish in [&[][..], b"\0\0", b"{\"json\":1}", b"\0\0\x0f\0\0x", &whole[..9], &longer] {
        let error = codec.decode(rubbish).await.unwrap_err();
        assert!(!error.is_transient(), "{rubbish:?}: {error}");
    }
}

#[tokio::test]
async fn a_registry_that_is_away_poisons_nothing() {
    let registry = SrSettings::new("http://127.0.0.1:9".into());
    let codec = Codec::new(registry);
    assert!(codec.register("order").await.unwrap_err().is_transient());
    assert!(codec.encode(&shortage()).unwrap_err().is_transient());
    let bytes = Codec::fixed().encode(&shortage()).unwrap();
    assert!(codec.decode(&bytes).await.unwrap_err().is_transient());
    assert!(codec.met.read().unwrap().is_empty());
}

#[test]
fn every_released_version_is_read_by_every_other() {
    for contract in CONTRACTS {
        for (writer, reader) in
            contract.versions.iter().flat_map(|w| contract.versions.iter().map(move |r| (w, r)))
        {
            let parse = |text: &str| Schema::parse_str(text).unwrap();
            apache_avro::schema_compatibility::SchemaCompatibility::can_read(
                &parse(writer),
                &parse(reader),
            )
            .unwrap_or_else(|e| panic!("{}: {e}", contract.name));
        }
    }
}

#[test]
fn every_schema_has_a_contract_and_a_doc_everywhere() {
    for (name, versions) in crate::contracts::ALL_VERSIONS {
        assert!(CONTRACTS.iter().any(|contract| contract.name == *name), "{name} has no topic");
        for text in *versions {
            every_record_and_field_has_a_doc(&serde_json::from_str(text).unwrap(), name);
        }
    }
}

fn every_record_and_field_has_a_doc(schema: &serde_json::Value, path: &str) {
    match schema {
        serde_json::Value::Object(object) => {
            if object.contains_key("name") {
                assert!(object.contains_key("doc"), "{path}: {schema} has no doc");
            }
            object.values().for_each(|inner| every_record_and_field_has_a_doc(inner, path));
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|inner| every_record_and_field_has_a_doc(inner, path));
        }
        _ => {}
    }
}
