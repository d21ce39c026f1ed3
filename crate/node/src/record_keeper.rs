use crate::methods::{Method, State, reason, store};
use mi_httpd_core::layout::LoadedField;
use mi_httpd_core::persist::changes::{Change, Clock};
use mi_httpd_core::persist::keeper::{Keeper, Loading, Options};
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result};
use napi_derive::napi;
use std::time::Duration;

/// A database that keeps record tables, each by a number. Keys and records pass through a `memory` that the caller brings, as
/// those of record tables.
#[napi(object, object_from_js = false, js_name = "NativeRecordKeeper")]
pub struct RecordKeeper<'env> {
    /// Sets the seconds since 1970 by the clock of the machine, and by how many it is ahead of the one that records count by.
    #[napi(ts_type = "(wall: number, ahead: number) => void")]
    pub set_clock: Method<'env, ()>,
    /// Takes a record that was set.
    #[napi(
        ts_type = "(table: number, memory: Uint8Array, keyLength: number, end: number, marks: number, deadline: number, isLoose: boolean) => void"
    )]
    pub set: Method<'env, ()>,
    /// Takes a record that was deleted.
    #[napi(ts_type = "(table: number, memory: Uint8Array, keyLength: number) => void")]
    pub delete: Method<'env, ()>,
    /// All records of a table were deleted.
    #[napi(ts_type = "(table: number) => void")]
    pub clear: Method<'env, ()>,
    /// Tells the texts of a style by its number here.
    #[napi(ts_type = "(style: number, texts: string) => void")]
    pub add_style: Method<'env, ()>,
    /// All tables are going to be set anew, each with `complete` in the end.
    #[napi(ts_type = "() => void")]
    pub begin_anew: Method<'env, ()>,
    /// All records of a table were set since `beginAnew`: the others are over.
    #[napi(ts_type = "(table: number) => void")]
    pub complete: Method<'env, ()>,
    /// Has everything so far written now; the number by which the figures tell of it.
    #[napi(ts_type = "() => number")]
    pub flush: Method<'env, f64>,
    /// The number of a table.
    #[napi(ts_type = "(name: string) => number")]
    pub table: Method<'env, u32>,
    /// Names of the tables that were stored.
    #[napi(ts_type = "() => string[]")]
    pub tables: Method<'env, Vec<String>>,
    /// Texts of the styles that were stored.
    #[napi(ts_type = "() => string[]")]
    pub styles: Method<'env, Vec<String>>,
    /// Begins to load a table. `styles`: the number here of each style that was stored. `hasTimes`: deadlines are times, and records
    /// whose times have come are deleted.
    #[napi(ts_type = "(table: number, styles: Uint32Array, hasTimes: boolean) => void")]
    pub load: Method<'env, ()>,
    /// Bytes of what `take` gives next; 0 for nothing yet.
    #[napi(ts_type = "() => number")]
    pub next_length: Method<'env, u32>,
    /// Takes records that were loaded, for `NativeRecordTable.setLoaded`: bytes.
    #[napi(ts_type = "(memory: Uint8Array, counts: Uint32Array) => number")]
    pub take: Method<'env, u32>,
    /// Ends the loading: what changes is written from now on.
    #[napi(ts_type = "() => void")]
    pub begin: Method<'env, ()>,
    #[napi(ts_type = "(figures: Float64Array) => void")]
    pub figures: Method<'env, ()>,
    /// Why there is no database, or why the last write failed.
    #[napi(ts_type = "() => string")]
    pub reason: Method<'env, String>,
    /// Writes what waits, and gives the file back.
    #[napi(ts_type = "() => void")]
    pub close: Method<'env, ()>,
}

/// Opens a database, off this thread. `told`: called when its figures have changed such that somebody may wait for it. It keeps no
/// event loop alive.
#[napi(catch_unwind)]
pub fn record_keeper<'env>(
    env: &'env Env,
    path: String,
    interval: f64,
    most_pending: f64,
    nonce: String,
    told: Function<'env, (), ()>,
) -> Result<RecordKeeper<'env>> {
    let told = told
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .callee_handled::<false>()
        .build()?;
    let options = Options {
        path: path.into(),
        interval: Duration::from_millis(interval as u64),
        most_pending: most_pending as usize,
        nonce,
    };
    let keeper = Keeper::open(options, move || {
        told.call((), ThreadsafeFunctionCallMode::NonBlocking);
    });
    let state = State::new(env, keeper.map_err(reason)?);
    Ok(RecordKeeper {
        set_clock: state.method("setClock", |keeper, given| {
            keeper.set_clock(Clock {
                wall: given.get::<f64>(0)? as u64,
                ahead: given.get(1)?,
            });
            Ok(())
        })?,
        set: state.method("set", |keeper, given| {
            let memory = given.bytes(1)?.get(..given.position(3)?).unwrap_or_default();
            let (key, text) = memory.split_at_checked(given.position(2)?).unwrap_or_default();
            let change = Change::Set {
                key,
                text,
                marks: given.get(4)?,
                deadline: given.get(5)?,
                is_loose: given.get(6)?,
            };
            keeper.change(given.get(0)?, change);
            Ok(())
        })?,
        delete: state.method("delete", |keeper, given| {
            let key = given.bytes(1)?.get(..given.position(2)?).unwrap_or_default();
            keeper.change(given.get(0)?, Change::Delete { key });
            Ok(())
        })?,
        clear: state.method("clear", |keeper, given| {
            keeper.change(given.get(0)?, Change::Clear);
            Ok(())
        })?,
        add_style: state.method("addStyle", |keeper, given| {
            let texts = given.get::<String>(1)?;
            let change = Change::Style {
                number: given.get(0)?,
                texts: texts.as_bytes(),
            };
            keeper.change(0, change);
            Ok(())
        })?,
        begin_anew: state.method("beginAnew", |keeper, _| {
            keeper.begin_anew();
            Ok(())
        })?,
        complete: state.method("complete", |keeper, given| {
            keeper.change(given.get(0)?, Change::Complete);
            Ok(())
        })?,
        flush: state.method("flush", |keeper, _| Ok(keeper.flush() as f64))?,
        table: state.method("table", |keeper, given| {
            Ok(u32::from(keeper.table(&given.get::<String>(0)?)))
        })?,
        tables: state.method("tables", |keeper, _| Ok(keeper.tables()))?,
        styles: state.method("styles", |keeper, _| {
            let styles = keeper.styles();
            Ok(styles
                .iter()
                .map(|texts| String::from_utf8_lossy(texts).into_owned())
                .collect())
        })?,
        load: state.method("load", |keeper, given| {
            let styles: &[u32] = given.get(1)?;
            keeper.load(Loading {
                table: given.get(0)?,
                styles: styles.iter().map(|style| *style as u16).collect(),
                has_times: given.get(2)?,
            });
            Ok(())
        })?,
        next_length: state.method("nextLength", |keeper, _| Ok(keeper.next_length() as u32))?,
        take: state.method("take", |keeper, given| {
            let (length, records, marks) = keeper.take(given.window(0)?);
            let counts = [
                (LoadedField::Records as usize, records),
                (LoadedField::Marks as usize, marks),
            ];
            store(counts, given.get(1)?);
            Ok(length as u32)
        })?,
        begin: state.method("begin", |keeper, _| {
            keeper.begin();
            Ok(())
        })?,
        figures: state.method("figures", |keeper, given| {
            keeper.figures().store(given.get(0)?);
            Ok(())
        })?,
        reason: state.method("reason", |keeper, _| Ok(keeper.reason()))?,
        close: state.method("close", |keeper, _| {
            keeper.close();
            Ok(())
        })?,
    })
}
