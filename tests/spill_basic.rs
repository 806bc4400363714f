//! Spills from their first byte to their end, on each blocking backend.

mod support;

use std::io::IoSlice;
use std::sync::Arc;

use support::now;
use weir::session::Session;
use weir::spill::{SpillBackend, SpillConfig, SpillOptions, SpillStore};
use weir::store::Settings;

#[test]
fn written_read_and_gone() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("a/b");
    let session = Session::new(Settings::default()).unwrap();
    for backend in [SpillBackend::Local { directory: Some(base.clone()) }, SpillBackend::Memory] {
        let store = SpillStore::new(&session, &SpillConfig { backend, ..SpillConfig::default() }).unwrap();
        let mut writer = store.begin(SpillOptions::default()).unwrap();
        let data: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
        now(writer.write(&data[..10])).unwrap();
        now(writer.write_vectored(&[IoSlice::new(&data[10..100_000]), IoSlice::new(&data[100_000..100_005])])).unwrap();
        now(writer.write(&data[100_005..])).unwrap();
        assert_eq!(store.used_bytes(), 300_000);
        let spill = now(writer.finish()).unwrap();
        let mut out = vec![0; 400_000];
        assert_eq!(now(spill.read_at(1, &mut out)).unwrap(), 299_999);
        assert_eq!(out[..299_999], data[1..]);
        assert_eq!(&*spill.map().unwrap(), &data[..]);
        let mut reader = spill.reader();
        drop(spill);
        let mut all = Vec::new();
        let mut piece = [0; 777];
        loop {
            let n = now(reader.read(&mut piece)).unwrap();
            if n == 0 {
                break;
            }
            all.extend_from_slice(&piece[..n]);
        }
        assert_eq!(all, data);
        assert_eq!(store.used_bytes(), 300_000);
        drop(reader);
        assert_eq!(store.used_bytes(), 0);
        drop(store);
        assert!(!base.exists() || std::fs::read_dir(&base).unwrap().next().is_none());
    }
    let _ = Arc::strong_count(&session);
}
