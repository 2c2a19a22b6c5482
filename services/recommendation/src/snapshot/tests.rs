use kernel::Sku;
use tempfile::tempdir;

use super::*;
use crate::{
    choreography::session_key,
    model::{Click, ClickKind, Fingerprint, Learned},
    pool::Question,
};

fn shape(shards: usize) -> Shape {
    Shape { parameters: Parameters::default(), shards, max_items: 1000 }
}

fn position(partition: u32, offset: u64) -> Position {
    Position { at: TopicPartition::new("shop.activity", partition), offset }
}

/// A pool in which many have looked at a tent and then at this.
fn pool(then: &str) -> Pool {
    let pool = Pool::empty(Parameters::default(), 3, 1000);
    for sku in ["tent", then] {
        let mut assortment = pool.assortment_mut();
        assert!(assortment.list(sku, 1, true) && assortment.stock(sku, 1, true));
    }
    for visitor in 0..20 {
        let session = session_key(&format!("visitor {visitor}"));
        for (time, sku) in (0..).zip(["tent", then]) {
            let item = pool.assortment().catalogue().get(sku).unwrap();
            let (fingerprint, kind) = (Fingerprint::of(sku), ClickKind::Viewed);
            let time_micros = 1_795_000_000_000_000 + time;
            let click = Click { session, item, time_micros, fingerprint, kind };
            let mut shard = pool.shard_mut(Shard::of(session, 3));
            assert_eq!(shard.learn_click(&click), Learned::New);
        }
    }
    pool
}

fn parts(pool: &Pool, offset: u64) -> Parts {
    let mut assortment = Vec::new();
    pool.assortment().encode(&mut assortment).unwrap();
    let encode = |index| {
        let mut bytes = Vec::new();
        pool.shard(index).encode(&mut bytes).unwrap();
        bytes
    };
    let shards = (0..pool.len()).map(encode).collect();
    Parts { positions: vec![position(0, offset), position(1, 7)], assortment, shards }
}

fn after_the_tent(pool: &Pool) -> Vec<String> {
    let tent: Sku = "tent".parse().unwrap();
    let page = Some(&tent);
    let answer = pool.recommend(&Question { session: None, recent: &[], page, limit: 5 });
    answer.items.into_iter().map(|item| item.sku).collect()
}

fn load(store: &Store, shards: usize) -> Option<Restored> {
    store.load(&shape(shards), |_| true).unwrap()
}

fn newest(store: &Store) -> PathBuf {
    store.newest_first().unwrap()[0].1.clone()
}

#[test]
fn what_was_saved_is_loaded_into_any_number_of_shards() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(load(&store, 1).is_none());
    let bytes = store.save(&parts(&pool("mat"), 5)).unwrap();
    assert_eq!(fs::metadata(newest(&store)).unwrap().len(), bytes);
    for shards in [1, 2, 3, 7] {
        let restored = load(&store, shards).unwrap();
        assert_eq!(restored.positions, [position(0, 5), position(1, 7)]);
        assert_eq!(restored.pool.len(), shards);
        assert_eq!(after_the_tent(&restored.pool), ["mat"]);
    }
}

#[test]
fn the_two_newest_are_kept() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for offset in 1..=5 {
        store.save(&parts(&pool("mat"), offset)).unwrap();
    }
    assert_eq!(store.newest_first().unwrap().len(), 2);
    assert_eq!(load(&store, 2).unwrap().positions[0].offset, 5);
    fs::remove_file(newest(&store)).unwrap();
    assert_eq!(load(&store, 2).unwrap().positions[0].offset, 4);
}

#[test]
fn a_snapshot_that_does_not_fit_is_left_alone() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.save(&parts(&pool("mat"), 5)).unwrap();
    assert!(store.load(&shape(2), |_| false).unwrap().is_none());
    assert!(load(&store, 2).is_some());
}

#[test]
fn wherever_a_snapshot_is_broken_the_one_before_is_loaded() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let length = store.save(&parts(&pool("lamp"), 2)).unwrap();
    for place in (0..length).step_by(97).chain([length - 1]) {
        store.save(&parts(&pool("mat"), 9)).unwrap();
        let path = newest(&store);
        let mut bytes = fs::read(&path).unwrap();
        let place = usize::try_from(place).unwrap().min(bytes.len() - 1);
        bytes[place] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(after_the_tent(&load(&store, 2).unwrap().pool), ["lamp"], "byte {place}");
        assert!(dir.path().join(BROKEN).exists());
    }
    for kept in [0, 1, 4, 11, 12, 40, length / 2, u64::MAX] {
        let kept = kept.min(store.save(&parts(&pool("mat"), 9)).unwrap() - 1);
        let file = File::options().write(true).open(newest(&store)).unwrap();
        file.set_len(kept).unwrap();
        assert_eq!(after_the_tent(&load(&store, 2).unwrap().pool), ["lamp"], "{kept} bytes");
    }
}

#[test]
fn an_unfinished_snapshot_is_forgotten() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join(UNFINISHED), b"half").unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(load(&store, 1).is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
