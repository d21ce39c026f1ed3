//! The Node-API surface: one-line forwards, no logic. Memory shared with JavaScript is made there and lent to each
//! call, which costs 15 to 30 ns an argument and needs no unsafe code.

use crate::body::BodyPool;
use crate::pretty::{PrettyPrinter, Progress};
use crate::scanner::Scanner;
use crate::statistics::StatisticNames;
use crate::{reply, scanner};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

// The macro takes `&[u8]` from a typed array, but a `&mut [u8]` only under another name.
type Window<'a> = &'a mut [u8];
type Fields<'a> = &'a mut [i32];
type ProgressPair<'a> = &'a mut [u32];

#[napi(js_name = "RequestScanner")]
pub struct NodeScanner(Scanner);

#[napi]
impl NodeScanner {
    #[napi(constructor, catch_unwind)]
    pub fn new(methods: Vec<String>, numbers: &[i32]) -> Self {
        Self(Scanner::new(methods, numbers))
    }

    #[napi(catch_unwind)]
    pub fn scan(&mut self, body: &[u8], #[napi(ts_arg_type = "Int32Array")] fields: Fields) -> napi::Result<u32> {
        self.0
            .scan(body)
            .map(|found| store(found, fields))
            .map_err(|error| napi::Error::from_reason(error.to_string()))
    }

    #[napi(catch_unwind)]
    pub fn reason(&self) -> String {
        self.0.reason()
    }

    #[napi(catch_unwind)]
    pub fn is_batch(&self) -> bool {
        self.0.is_batch()
    }

    #[napi(catch_unwind)]
    pub fn release(&mut self, id_slot: i32) {
        self.0.ids.release(id_slot);
    }

    #[napi(catch_unwind)]
    pub fn tail(&mut self, id_slot: i32) -> Uint8Array {
        reply::tail(&mut self.0.ids, id_slot).into()
    }

    #[napi(catch_unwind)]
    pub fn ids_held(&self) -> u32 {
        self.0.ids.held() as u32
    }

    #[napi(catch_unwind)]
    pub fn finish(
        &mut self,
        #[napi(ts_arg_type = "Uint8Array")] window: Window,
        kind: u32,
        end: u32,
        id_slot: i32,
    ) -> i32 {
        length(reply::finish(&mut self.0.ids, window, kind, end as usize, id_slot))
    }

    #[napi(catch_unwind)]
    pub fn finish_pretty(
        &mut self,
        #[napi(ts_arg_type = "Uint8Array")] window: Window,
        #[napi(ts_arg_type = "Uint8Array")] indented: Window,
        kind: u32,
        end: u32,
        id_slot: i32,
    ) -> i32 {
        length(reply::finish_pretty(
            &mut self.0.ids,
            window,
            indented,
            kind,
            end as usize,
            id_slot,
        ))
    }
}

#[napi(catch_unwind)]
pub fn reply_head(kind: u32) -> Uint8Array {
    reply::head(kind).to_vec().into()
}

#[napi(js_name = "StatisticNames")]
#[derive(Default)]
pub struct NodeStatisticNames(StatisticNames);

#[napi]
impl NodeStatisticNames {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    #[napi(catch_unwind)]
    pub fn add(&mut self, name: String) -> u32 {
        self.0.add(&name) as u32
    }

    #[napi(catch_unwind)]
    pub fn print(
        &self,
        values: &[f64],
        selection: &[u32],
        #[napi(ts_arg_type = "Uint8Array")] window: Window,
        at: u32,
    ) -> i32 {
        length(self.0.print(values, selection, window, at as usize))
    }

    #[napi(catch_unwind)]
    pub fn print_all(&self, values: &[f64], selection: &[u32]) -> Uint8Array {
        self.0.print_all(values, selection).into()
    }
}

#[napi(js_name = "PrettyPrinter")]
#[derive(Default)]
pub struct NodePrettyPrinter(PrettyPrinter);

#[napi]
impl NodePrettyPrinter {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    #[napi(catch_unwind)]
    pub fn push(
        &mut self,
        input: &[u8],
        #[napi(ts_arg_type = "Uint8Array")] output: Window,
        #[napi(ts_arg_type = "Uint32Array")] progress: ProgressPair,
    ) {
        store_progress(self.0.push(input, output), progress);
    }
}

#[napi(js_name = "BodyPool")]
pub struct NodeBodyPool(BodyPool);

#[napi]
impl NodeBodyPool {
    #[napi(constructor, catch_unwind)]
    pub fn new(slot_size: f64, max_body: f64, max_total: f64) -> Self {
        Self(BodyPool::new(slot_size as usize, max_body as usize, max_total as usize))
    }

    #[napi(catch_unwind)]
    pub fn open(&mut self) -> i32 {
        self.0.open()
    }

    #[napi(catch_unwind)]
    pub fn push(&mut self, slot: i32, piece: &[u8]) -> u32 {
        self.0.push(slot, piece) as u32
    }

    #[napi(catch_unwind)]
    pub fn take(&mut self, slot: i32) -> Uint8Array {
        self.0.take(slot).into()
    }

    #[napi(catch_unwind)]
    pub fn free(&mut self, slot: i32) {
        self.0.free(slot);
    }

    #[napi(catch_unwind)]
    pub fn slots_in_use(&self) -> u32 {
        self.0.slots_in_use() as u32
    }

    #[napi(catch_unwind)]
    pub fn bytes_held(&self) -> f64 {
        self.0.bytes_held() as f64
    }
}

/// JavaScript's form of a position that may not exist.
fn length(length: Option<usize>) -> i32 {
    length.and_then(|length| i32::try_from(length).ok()).unwrap_or(-1)
}

fn store((outcome, found): (scanner::Outcome, scanner::Fields), fields: &mut [i32]) -> u32 {
    found.store(fields);
    outcome as u32
}

fn store_progress(progress: Progress, out: &mut [u32]) {
    for (place, value) in out.iter_mut().zip([progress.consumed, progress.produced]) {
        *place = value as u32;
    }
}
