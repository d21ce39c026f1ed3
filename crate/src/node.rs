//! The Node-API surface: one-line forwards, no logic. Memory shared with JavaScript is made there and lent to each
//! call, which costs 15 to 30 ns an argument and needs no unsafe code.
//!
//! The objects are made of closures over their state. In a trial addon (Node 20, napi 3.16) a method of a `#[napi]`
//! class cost 230 to 300 ns before it did anything, a function with arguments 100, a closure 31. A panic in a closure
//! becomes a JavaScript error.

use crate::body::BodyPool;
use crate::dump::{DumpedTable, Shape, Tables};
use crate::output::Output;
use crate::pretty::PrettyPrinter;
use crate::record::Style;
use crate::scanner::Scanner;
use crate::statistics::StatisticNames;
use crate::table::{Limits, Refused, Table, Walk};
use crate::{html, reply, service};
use napi::bindgen_prelude::{
    ArrayBuffer, FromNapiValue, FunctionCallContext, JsObjectValue, Object, ToNapiValue, Uint8Array,
};
use napi::{Env, Error, Result};
use napi_derive::napi;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

/// An object whose methods share one state, freed with the last of them.
struct Methods<'env, S> {
    env: &'env Env,
    object: Object<'env>,
    state: Rc<RefCell<S>>,
}

impl<'env, S: 'static> Methods<'env, S> {
    fn new(env: &'env Env, state: S) -> Result<Self> {
        Ok(Self {
            env,
            object: Object::new(env)?,
            state: Rc::new(RefCell::new(state)),
        })
    }

    fn add<R: ToNapiValue + 'static>(
        mut self,
        name: &str,
        method: impl Fn(&mut S, Arguments<'_>) -> Result<R> + 'static,
    ) -> Result<Self> {
        let state = Rc::clone(&self.state);
        let function = self
            .env
            .create_function_from_closure::<(), R, _>(name, move |context| {
                let mut state = state.try_borrow_mut().map_err(reason)?;
                method(&mut state, Arguments(&context))
            })?;
        self.object.set_named_property(name, function)?;
        Ok(self)
    }
}

struct Arguments<'a>(&'a FunctionCallContext<'a>);

impl Arguments<'_> {
    fn get<T: FromNapiValue>(&self, index: usize) -> Result<T> {
        self.0.get(index)
    }

    fn bytes(&self, index: usize) -> Result<&[u8]> {
        self.get(index)
    }

    /// Memory to write to: an argument of its own, that shares nothing with another one of the call.
    fn window(&self, index: usize) -> Result<&mut [u8]> {
        self.get(index)
    }

    fn position(&self, index: usize) -> Result<usize> {
        self.get::<u32>(index).map(|position| position as usize)
    }
}

#[napi(catch_unwind, ts_return_type = "object")]
pub fn request_scanner<'env>(
    env: &'env Env,
    methods: Vec<String>,
    numbers: &[i32],
    max_values: u32,
) -> Result<Object<'env>> {
    let methods = Methods::new(env, Scanner::new(methods, numbers, max_values as usize))?
        .add("scan", |scanner, given| scan(scanner, given.bytes(0)?, given.get(1)?))?
        .add("scanBuffer", |scanner, given| {
            scan(scanner, &given.get::<ArrayBuffer>(0)?, given.get(1)?)
        })?
        .add("holdShortId", |scanner, given| {
            scanner.hold_short(given.get(0)?).map_err(reason)
        })?
        .add("reason", |scanner, _| Ok(scanner.reason()))?
        .add("scanBatch", |scanner, given| {
            let (outcome, batch) = scanner.scan_batch(given.bytes(0)?, given.position(1)?);
            store([batch.elements, batch.replies, batch.start], given.get(2)?);
            Ok(outcome as u32)
        })?
        .add("scanElement", |scanner, given| {
            let (outcome, fields) = scanner.scan_element(given.bytes(0)?, given.position(1)?);
            fields.store(given.get(2)?);
            Ok(outcome as u32)
        })?
        .add("idsHeld", |scanner, _| Ok(scanner.ids.held() as u32))?
        .add("release", |scanner, given| {
            given.get(0).map(|slot| scanner.ids.release(slot))
        })?
        .add("tail", |scanner, given| {
            Ok(Uint8Array::from(reply::tail(&mut scanner.ids, given.get(0)?)))
        })?
        .add("finish", |scanner, given| {
            let (start, kind, end, id_slot) = (given.position(1)?, given.get(2)?, given.position(3)?, given.get(4)?);
            let window = given.window(0)?;
            Ok(length(reply::finish(
                &mut scanner.ids,
                window,
                start,
                kind,
                end,
                id_slot,
            )))
        })?
        .add("finishPretty", |scanner, given| {
            let (kind, end, id_slot) = (given.get(2)?, given.position(3)?, given.get(4)?);
            let (window, indented) = (given.window(0)?, given.window(1)?);
            Ok(length(reply::finish_pretty(
                &mut scanner.ids,
                window,
                indented,
                kind,
                end,
                id_slot,
            )))
        })?;
    Ok(methods.object)
}

fn scan(scanner: &mut Scanner, body: &[u8], fields: &mut [i32]) -> Result<u32> {
    let outcome = scanner.scan_into(body, fields);
    outcome.map(|outcome| outcome as u32).map_err(reason)
}

fn reason(error: impl std::fmt::Display) -> Error {
    Error::from_reason(error.to_string())
}

/// Where memory lies: tells what lies behind what, and nothing else.
#[napi(catch_unwind, ts_return_type = "object")]
pub fn addresses<'env>(env: &'env Env) -> Result<Object<'env>> {
    let methods = Methods::new(env, ())?.add("of", |(), given| {
        Ok(given.get::<ArrayBuffer>(0)?.as_ptr() as usize as f64)
    })?;
    Ok(methods.object)
}

/// What the first thread that asked found in the environment of the process; 0 for nothing that is a number.
static FIRST_HEAD_LIMIT: OnceLock<u32> = OnceLock::new();

#[napi(catch_unwind)]
pub fn first_head_limit(variable: String) -> u32 {
    *FIRST_HEAD_LIMIT.get_or_init(|| {
        std::env::var(variable)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    })
}

#[napi(catch_unwind)]
pub fn reply_head(kind: u32) -> Uint8Array {
    reply::head(kind).to_vec().into()
}

#[napi(catch_unwind, ts_return_type = "object")]
pub fn statistic_names<'env>(env: &'env Env) -> Result<Object<'env>> {
    let methods = Methods::new(env, StatisticNames::default())?
        .add("add", |names, given| Ok(names.add(&given.get::<String>(0)?) as u32))?
        .add("print", |names, given| {
            Ok(length(names.print(
                given.get(0)?,
                given.get(1)?,
                given.window(2)?,
                given.position(3)?,
            )))
        })?
        .add("printAll", |names, given| {
            Ok(Uint8Array::from(names.print_all(given.get(0)?, given.get(1)?)))
        })?;
    Ok(methods.object)
}

#[napi(catch_unwind, ts_return_type = "object")]
pub fn pretty_printer<'env>(env: &'env Env) -> Result<Object<'env>> {
    let methods = Methods::new(env, PrettyPrinter::default())?.add("push", |printer, given| {
        let progress = printer.push(given.bytes(0)?, given.window(1)?);
        store([progress.consumed, progress.produced], given.get(2)?);
        Ok(())
    })?;
    Ok(methods.object)
}

#[napi(catch_unwind, ts_return_type = "object")]
pub fn html_escaper<'env>(env: &'env Env) -> Result<Object<'env>> {
    let methods = Methods::new(env, ())?.add("push", |(), given| {
        let progress = html::escape(given.bytes(0)?, given.window(1)?);
        store([progress.consumed, progress.produced], given.get(2)?);
        Ok(())
    })?;
    Ok(methods.object)
}

#[napi(catch_unwind, ts_return_type = "object")]
pub fn body_pool<'env>(env: &'env Env, slot_size: f64, max_body: f64, max_total: f64) -> Result<Object<'env>> {
    let pool = BodyPool::new(slot_size as usize, max_body as usize, max_total as usize);
    let methods = Methods::new(env, pool)?
        .add("open", |pool, _| Ok(pool.open()))?
        .add("push", |pool, given| {
            Ok(pool.push(given.get(0)?, given.bytes(1)?) as u32)
        })?
        .add("take", |pool, given| Ok(Uint8Array::from(pool.take(given.get(0)?))))?
        .add("copyOut", |pool, given| {
            // What does not fit is told as a negative length.
            let copied = pool.copy_out(given.get(0)?, given.window(1)?);
            Ok(copied.map_or_else(|length| -(length as f64), |length| length as f64))
        })?
        .add("free", |pool, given| given.get(0).map(|slot| pool.free(slot)))?
        .add("slotsInUse", |pool, _| Ok(pool.slots_in_use() as u32))?
        .add("bytesHeld", |pool, _| Ok(pool.bytes_held() as f64))?;
    Ok(methods.object)
}

#[napi(catch_unwind, ts_return_type = "object")]
pub fn standard_output<'env>(env: &'env Env, descriptor: u32, limit: u32, notice: String) -> Result<Object<'env>> {
    let output = Output::standard(descriptor, limit as usize, &notice).map_err(reason)?;
    let methods = Methods::new(env, output)?
        .add("write", |output, given| {
            output.write(given.get::<String>(0)?.as_bytes());
            Ok(())
        })?
        .add("dropped", |output, _| Ok(output.dropped() as f64))?
        .add("untold", |output, _| Ok(output.untold() as f64))?
        .add("finish", |output, given| {
            output.finish(Duration::from_millis(given.get::<u32>(0)?.into()));
            Ok(())
        })?;
    Ok(methods.object)
}

#[napi(catch_unwind)]
pub fn notify_service(socket: String, message: String) -> Result<()> {
    service::notify(&socket, &message).map_err(reason)
}

thread_local! {
    /// Those of the JavaScript that runs in this thread.
    static TABLES: RefCell<Tables> = RefCell::default();
}

/// Dumps that are open, of all record tables.
#[napi(catch_unwind)]
pub fn dumps_open() -> u32 {
    TABLES.with_borrow(Tables::dumps_open) as u32
}

/// Keys and records come and go in one memory: a key at its start, a record to set behind it.
#[napi(catch_unwind, ts_return_type = "object")]
pub fn record_table<'env>(env: &'env Env, nonce: String) -> Result<Object<'env>> {
    let methods = Methods::new(env, DumpedTable::new(Table::new(&nonce)))?;
    TABLES.with_borrow_mut(|tables| tables.add(&methods.state));
    let methods = methods
        .add("addStyle", |held, given| {
            let (permanent, expired) = (text(given.get(0)?), text(given.get(1)?));
            held.table.add_style(Style { permanent, expired });
            Ok(())
        })?
        .add("setLimits", |held, given| {
            // Infinity becomes the largest number there is.
            let limit = |index| given.get::<f64>(index).map(|limit| limit as usize);
            held.table.set_limits(Limits {
                records: limit(0)?,
                bytes: limit(1)?,
                record_bytes: limit(2)?,
            });
            Ok(())
        })?
        .add("set", |held, given| {
            let (key, text) = key_and_text(&given)?;
            let (marks, deadline) = (given.position(3)?, given.get(4)?);
            taken(held.table.set(key, text, marks, deadline))
        })?
        .add("setJson", |held, given| {
            let (key, text) = key_and_text(&given)?;
            taken(held.table.set_json(key, text, given.get(3)?))
        })?
        .add("get", |held, given| {
            let (key_length, now) = (given.position(1)?, given.get::<f64>(2)? as u64);
            Ok(length(held.table.get_over(key_length, now, given.window(0)?)))
        })?
        .add("has", |held, given| Ok(held.table.has(key(&given)?)))?
        .add("delete", |held, given| Ok(held.table.delete(key(&given)?)))?
        .add("clear", |held, _| {
            held.table.clear();
            Ok(())
        })?
        .add("size", |held, _| Ok(held.table.len() as u32))?
        .add("bytes", |held, _| Ok(held.table.bytes() as f64))?
        .add("usedBytes", |held, _| Ok(held.table.used() as f64))?
        .add("heldBytes", |held, _| Ok(held.table.held() as f64))?
        .add("beginWalk", |held, given| {
            held.table.begin_walk().store(given.get(0)?);
            Ok(())
        })?
        .add("walk", |held, given| {
            let fields: &mut [u32] = given.get(1)?;
            let mut walk = Walk::load(fields);
            let written = held.table.walk(&mut walk, given.get(2)?, given.window(0)?);
            walk.store(fields);
            Ok(written as u32)
        })?
        .add("openDump", |held, given| {
            let shape = match given.get::<u32>(0)? {
                1 => Shape::Keys,
                2 => Shape::Member(given.get::<String>(1)?.into()),
                _ => Shape::Records,
            };
            Ok(held.open(shape, given.get::<f64>(2)? as u64))
        })?
        .add("dumpLength", |held, _| {
            Ok(held.length().map_or(-1.0, |length| length as f64))
        })?
        .add("fill", |held, given| {
            Ok(held.fill(given.get(0)?, given.window(1)?) as u32)
        })?
        .add("release", |held, given| given.get(0).map(|slot| held.release(slot)))?
        .add("dumpsOpen", |held, _| Ok(held.dumps_open() as u32))?;
    Ok(methods.object)
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

/// 1 for a new record, 0 for one that replaces another; what has no room is told as a negative number.
fn taken(taken: std::result::Result<bool, Refused>) -> Result<i32> {
    match taken {
        Ok(is_new) => Ok(i32::from(is_new)),
        Err(Refused::Records) => Ok(-1),
        Err(Refused::Bytes) => Ok(-2),
        Err(Refused::RecordBytes) => Ok(-3),
        Err(Refused::NoMemory) => Ok(-4),
        Err(refused) => Err(reason(refused)),
    }
}

/// JavaScript's form of a position that may not exist.
fn length(length: Option<usize>) -> i32 {
    length.and_then(|length| i32::try_from(length).ok()).unwrap_or(-1)
}

fn store<const N: usize>(values: [usize; N], out: &mut [u32]) {
    for (place, value) in out.iter_mut().zip(values) {
        *place = value as u32;
    }
}
