use crate::methods::{Arguments, Method, State, length, reason};
use mi_httpd_core::layout::{DumpShape, Stored};
use mi_httpd_core::persist::keeper::loaded;
use mi_httpd_core::table::dump::{DumpedTable, Shape, Tables};
use mi_httpd_core::table::needle::Needle;
use mi_httpd_core::table::record::Style;
use mi_httpd_core::table::records::{Limits, Rejected, Table, Walk};
use mi_httpd_core::table::registry::Registry;
use mi_httpd_core::table::search::Wanted;
use napi::{Env, Result};
use napi_derive::napi;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

/// Records by key. Keys and records pass through a `memory` that the caller brings: a key lies at its start, a text
/// right behind it, up to `end`.
#[napi(object, object_from_js = false, js_name = "NativeRecordTable")]
pub struct RecordTable<'env> {
    /// Adds a way to print values that depend on time; markers name them from 0 on. The texts are JSON, '' for none.
    #[napi(ts_type = "(permanent: string, expired: string) => void")]
    pub add_style: Method<'env, ()>,
    /// The most that is taken from now on; Infinity for no limit. Bytes are counted as `usedBytes` does.
    #[napi(ts_type = "(records: number, bytes: number, recordBytes: number) => void")]
    pub set_limits: Method<'env, ()>,
    /// Writes what `setLimits` was given last, in this thread or another one.
    #[napi(ts_type = "(limits: Float64Array) => void")]
    pub limits: Method<'env, ()>,
    /// The number by which other threads open the same table: see `sharedRecordTable`.
    #[napi(ts_type = "() => number")]
    pub share: Method<'env, u32>,
    /// A number that other tables hardly have, the same in all threads.
    #[napi(ts_type = "() => number")]
    pub mark: Method<'env, u32>,
    /// Sets a record to compact JSON with at most so many markers; below 0 without room for it.
    #[napi(
        ts_type = "(memory: Uint8Array, keyLength: number, end: number, marks: number, deadline: number) => number"
    )]
    pub set: Method<'env, i32>,
    /// As `set`, for any text, which is validated.
    #[napi(ts_type = "(memory: Uint8Array, keyLength: number, end: number, deadline: number) => number")]
    pub set_json: Method<'env, i32>,
    /// Sets records that `NativeRecordKeeper.take` has given, up to `end`. Records that are there are left as they are. How many were
    /// set; below 0 without room for one.
    #[napi(ts_type = "(memory: Uint8Array, end: number) => number")]
    pub set_loaded: Method<'env, i32>,
    /// Writes the record of a key as `set` takes it, right behind that, and its markers and deadline to `facts`: where it ends,
    /// also if that is behind the memory, which is as it was then; -1 for none.
    #[napi(ts_type = "(memory: Uint8Array, keyLength: number, facts: Float64Array) => number")]
    pub get_marked: Method<'env, i32>,
    /// Length of the record, which lies at the start of the memory then if it fits; below 0 for none.
    #[napi(ts_type = "(memory: Uint8Array, keyLength: number, now: number) => number")]
    pub get: Method<'env, i32>,
    #[napi(ts_type = "(memory: Uint8Array, keyLength: number) => boolean")]
    pub has: Method<'env, bool>,
    #[napi(ts_type = "(memory: Uint8Array, keyLength: number) => boolean")]
    pub delete: Method<'env, bool>,
    /// A number that is another one once the record of a key has changed, in whatever thread.
    #[napi(ts_type = "(memory: Uint8Array, keyLength: number) => number")]
    pub version: Method<'env, f64>,
    /// As `set`, if the version of the key is still that one; else it tells `changed`.
    #[napi(
        ts_type = "(memory: Uint8Array, keyLength: number, end: number, marks: number, deadline: number, version: number) => number"
    )]
    pub set_unchanged: Method<'env, i32>,
    /// As `delete`, if the version of the key is still that one: 1, 0 where there is no record, or `changed`.
    #[napi(ts_type = "(memory: Uint8Array, keyLength: number, version: number) => number")]
    pub delete_unchanged: Method<'env, i32>,
    #[napi(ts_type = "() => void")]
    pub clear: Method<'env, ()>,
    #[napi(ts_type = "() => number")]
    pub size: Method<'env, u32>,
    /// Markers in all records.
    #[napi(ts_type = "() => number")]
    pub marks: Method<'env, f64>,
    #[napi(ts_type = "() => number")]
    pub bytes: Method<'env, f64>,
    #[napi(ts_type = "() => number")]
    pub used_bytes: Method<'env, f64>,
    #[napi(ts_type = "() => number")]
    pub held_bytes: Method<'env, f64>,
    /// Begins a walk, which is over when its next entry is its end.
    #[napi(ts_type = "(walk: Uint32Array) => void")]
    pub begin_walk: Method<'env, ()>,
    /// Writes keys that are due, each behind its length in four bytes, least first; how much that was.
    #[napi(ts_type = "(memory: Uint8Array, walk: Uint32Array, due: number) => number")]
    pub walk: Method<'env, u32>,
    /// Slot of a new dump, below 0 when too many are open.
    #[napi(ts_type = "(shape: number, member: string, now: number, isLines: boolean) => number")]
    pub open_dump: Method<'env, i32>,
    /// Bytes of a dump of records if nothing changes; below 0 when that depends on time.
    #[napi(ts_type = "() => number")]
    pub dump_length: Method<'env, f64>,
    /// Continues a dump: bytes written, 0 when it is complete.
    #[napi(ts_type = "(slot: number, window: Uint8Array) => number")]
    pub fill: Method<'env, u32>,
    /// Ends a dump; without effect for one that is not open.
    #[napi(ts_type = "(slot: number) => void")]
    pub release: Method<'env, ()>,
    #[napi(ts_type = "() => number")]
    pub dumps_open: Method<'env, u32>,
    /// Slot of a new search for a text from where a walk is, below 0 when too many are open. Without `member` all values are
    /// looked at and the key; the record of key `except` is passed over.
    #[napi(
        ts_type = "(walk: Uint32Array, text: string, member: string | undefined, except: string | undefined, limit: number, countsAll: boolean, now: number) => number"
    )]
    pub open_search: Method<'env, i32>,
    /// Continues a search for a limited time: bytes of found records that were written, each `["key",record]`.
    #[napi(ts_type = "(slot: number, window: Uint8Array, progress: Uint32Array) => number")]
    pub search: Method<'env, u32>,
    /// Ends a search; without effect for one that is not open.
    #[napi(ts_type = "(slot: number) => void")]
    pub close_search: Method<'env, ()>,
}

thread_local! {
    /// Those of the JavaScript that runs in this thread.
    static TABLES: RefCell<Tables> = RefCell::default();
}

/// Tables that threads share.
static SHARED: Mutex<Registry> = Mutex::new(Registry::new());

/// Dumps of record tables that are open, of all tables of this thread.
#[napi(catch_unwind)]
pub fn dumps_open() -> u32 {
    TABLES.with_borrow(Tables::dumps_open) as u32
}

/// `nonce`: what markers begin with, see src/mi/results/seconds-left.ts.
#[napi(catch_unwind)]
pub fn record_table<'env>(env: &'env Env, nonce: String) -> Result<RecordTable<'env>> {
    methods(env, Table::new(&nonce), nonce)
}

/// The table that has got this number in any thread; undefined when it is gone. Its styles are those that are added here.
#[napi(catch_unwind)]
pub fn shared_record_table<'env>(env: &'env Env, nonce: String, number: u32) -> Result<Option<RecordTable<'env>>> {
    let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner).open(number);
    shared
        .map(|shared| methods(env, Table::of(shared, &nonce), nonce))
        .transpose()
}

fn methods<'env>(env: &'env Env, table: Table, nonce: String) -> Result<RecordTable<'env>> {
    let state = State::new(env, DumpedTable::new(table));
    TABLES.with_borrow_mut(|tables| tables.add(&state.shared));
    Ok(RecordTable {
        add_style: state.method("addStyle", |held, given| {
            let (permanent, expired) = (text(given.get(0)?), text(given.get(1)?));
            held.table.add_style(Style { permanent, expired });
            Ok(())
        })?,
        set_limits: state.method("setLimits", |held, given| {
            // Infinity becomes the largest number there is.
            let limit = |index| given.get::<f64>(index).map(|limit| limit as usize);
            held.table.set_limits(Limits {
                records: limit(0)?,
                bytes: limit(1)?,
                record_bytes: limit(2)?,
            });
            Ok(())
        })?,
        limits: state.method("limits", |held, given| {
            let limits = held.table.limits();
            let values = [limits.records, limits.bytes, limits.record_bytes];
            for (place, limit) in given.get::<&mut [f64]>(0)?.iter_mut().zip(values) {
                *place = if limit == usize::MAX {
                    f64::INFINITY
                } else {
                    limit as f64
                };
            }
            Ok(())
        })?,
        share: state.method("share", |held, _| {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(shared.number_of(held.table.shared()))
        })?,
        mark: state.method("mark", |held, _| Ok(held.table.mark()))?,
        set: state.method("set", |held, given| {
            let (key, text) = key_and_text(&given)?;
            let (marks, deadline) = (given.position(3)?, given.get(4)?);
            stored(held.table.set(key, text, marks, deadline))
        })?,
        set_json: state.method("setJson", |held, given| {
            let (key, text) = key_and_text(&given)?;
            stored(held.table.set_json(key, text, given.get(3)?))
        })?,
        set_loaded: state.method("setLoaded", |held, given| {
            let mut set = 0;
            for record in loaded(given.bytes(0)?.get(..given.position(1)?).unwrap_or_default()) {
                if held.table.has(record.key) {
                    continue;
                }
                let outcome = stored(held.table.set(record.key, record.text, record.marks, record.deadline))?;
                if outcome < 0 {
                    return Ok(outcome);
                }
                set += 1;
            }
            Ok(set)
        })?,
        get_marked: state.method("getMarked", move |held, given| {
            let (key_length, facts) = (given.position(1)?, given.get::<&mut [f64]>(2)?);
            let mut text = Vec::new();
            let Some((marks, deadline)) = held.table.get_marked(key(&given)?, &nonce, &mut text) else {
                return Ok(-1);
            };
            let end = key_length + text.len();
            if let Some(place) = given.window(0)?.get_mut(key_length..end) {
                place.copy_from_slice(&text);
            }
            for (place, fact) in facts.iter_mut().zip([marks as f64, deadline]) {
                *place = fact;
            }
            Ok(end as i32)
        })?,
        get: state.method("get", |held, given| {
            let (key_length, now) = (given.position(1)?, given.get::<f64>(2)? as u64);
            Ok(length(held.table.get_over(key_length, now, given.window(0)?)))
        })?,
        has: state.method("has", |held, given| Ok(held.table.has(key(&given)?)))?,
        delete: state.method("delete", |held, given| Ok(held.table.delete(key(&given)?)))?,
        version: state.method("version", |held, given| Ok(held.table.version(key(&given)?) as f64))?,
        set_unchanged: state.method("setUnchanged", |held, given| {
            let (key, text) = key_and_text(&given)?;
            let (marks, deadline, version) = (given.position(3)?, given.get(4)?, given.get::<f64>(5)?);
            stored(held.table.set_unchanged(key, text, marks, deadline, version as u64))
        })?,
        delete_unchanged: state.method("deleteUnchanged", |held, given| {
            let deleted = held.table.delete_unchanged(key(&given)?, given.get::<f64>(2)? as u64);
            stored(deleted)
        })?,
        clear: state.method("clear", |held, _| {
            held.table.clear();
            Ok(())
        })?,
        size: state.method("size", |held, _| Ok(held.table.len() as u32))?,
        marks: state.method("marks", |held, _| Ok(held.table.holes() as f64))?,
        bytes: state.method("bytes", |held, _| Ok(held.table.bytes() as f64))?,
        used_bytes: state.method("usedBytes", |held, _| Ok(held.table.used() as f64))?,
        held_bytes: state.method("heldBytes", |held, _| Ok(held.table.held() as f64))?,
        begin_walk: state.method("beginWalk", |held, given| {
            held.table.begin_walk().store(given.get(0)?);
            Ok(())
        })?,
        walk: state.method("walk", |held, given| {
            let fields: &mut [u32] = given.get(1)?;
            let mut walk = Walk::load(fields);
            let written = held.table.walk(&mut walk, given.get(2)?, given.window(0)?);
            walk.store(fields);
            Ok(written as u32)
        })?,
        open_dump: state.method("openDump", |held, given| {
            let shape = match DumpShape::of(given.get(0)?) {
                Some(DumpShape::Keys) => Shape::Keys,
                Some(DumpShape::Members) => Shape::Member(given.get::<String>(1)?.into()),
                Some(DumpShape::Records) | None => Shape::Records,
            };
            let now = given.get::<f64>(2)? as u64;
            Ok(if given.get(3)? {
                held.open_lines(shape, now)
            } else {
                held.open(shape, now)
            })
        })?,
        dump_length: state.method("dumpLength", |held, _| {
            Ok(held.length().map_or(-1.0, |length| length as f64))
        })?,
        fill: state.method("fill", |held, given| {
            Ok(held.fill(given.get(0)?, given.window(1)?) as u32)
        })?,
        release: state.method("release", |held, given| given.get(0).map(|slot| held.release(slot)))?,
        dumps_open: state.method("dumpsOpen", |held, _| Ok(held.dumps_open() as u32))?,
        open_search: state.method("openSearch", |held, given| {
            let walk = Walk::load(given.get::<&mut [u32]>(0)?);
            let (text, member) = (given.get::<String>(1)?, given.get::<Option<String>>(2)?);
            let is_every = text.is_empty() && member.is_none();
            let wanted = Wanted {
                needle: (!is_every).then(|| Needle::new(&text, member.as_deref())),
                except: given.get::<Option<String>>(3)?.map(|key| key.into_bytes().into()),
                limit: given.position(4)?,
                counts_all: given.get(5)?,
                now: given.get::<f64>(6)? as u64,
            };
            Ok(held.open_search(wanted, walk))
        })?,
        search: state.method("search", |held, given| {
            let written = held.search(given.get(0)?, given.window(1)?, given.get(2)?);
            Ok(written as u32)
        })?,
        close_search: state.method("closeSearch", |held, given| {
            given.get(0).map(|slot| held.close_search(slot))
        })?,
    })
}

fn key<'a>(given: &'a Arguments<'_>) -> Result<&'a [u8]> {
    let memory = given.bytes(0)?;
    Ok(memory.get(..given.position(1)?).unwrap_or_default())
}

fn key_and_text<'a>(given: &'a Arguments<'_>) -> Result<(&'a [u8], &'a [u8])> {
    let memory = given.bytes(0)?.get(..given.position(2)?).unwrap_or_default();
    Ok(memory.split_at_checked(given.position(1)?).unwrap_or_default())
}

fn text(text: String) -> Box<[u8]> {
    text.into_bytes().into()
}

/// Lack of room is an outcome, a record that is none an error.
fn stored(taken: std::result::Result<bool, Rejected>) -> Result<i32> {
    let outcome = match taken {
        Ok(true) => Stored::Added,
        Ok(false) => Stored::Replaced,
        Err(Rejected::Records) => Stored::TooManyRecords,
        Err(Rejected::Bytes) => Stored::TooManyBytes,
        Err(Rejected::RecordBytes) => Stored::RecordTooLong,
        Err(Rejected::NoMemory) => Stored::NoMemory,
        Err(Rejected::Changed) => Stored::Changed,
        Err(rejected) => return Err(reason(rejected)),
    };
    Ok(outcome as i32)
}
