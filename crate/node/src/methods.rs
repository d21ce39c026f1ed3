//! Objects are made of closures over their state. In a trial addon (Node 20, napi 3.16) a method of a `#[napi]` class cost
//! 230 to 300 ns before it did anything, a function with arguments 100, a closure 31. A panic in a closure becomes a
//! JavaScript error.

use napi::bindgen_prelude::{FromNapiValue, Function, FunctionCallContext, ToNapiValue};
use napi::{Env, Error, Result};
use std::cell::RefCell;
use std::rc::Rc;

/// A method that returns an `R`. The types of its arguments stand in its `ts_type`.
pub type Method<'env, R> = Function<'env, (), R>;

/// The state that the methods of one object share, freed with the last of them.
pub struct State<'env, S> {
    env: &'env Env,
    pub shared: Rc<RefCell<S>>,
}

impl<'env, S: 'static> State<'env, S> {
    pub fn new(env: &'env Env, state: S) -> Self {
        Self {
            env,
            shared: Rc::new(RefCell::new(state)),
        }
    }

    /// A method under the name that stack traces show.
    pub fn method<R: ToNapiValue + 'static>(
        &self,
        name: &str,
        method: impl Fn(&mut S, Arguments<'_>) -> Result<R> + 'static,
    ) -> Result<Method<'env, R>> {
        let state = Rc::clone(&self.shared);
        self.env.create_function_from_closure(name, move |context| {
            let mut state = state.try_borrow_mut().map_err(reason)?;
            method(&mut state, Arguments(&context))
        })
    }
}

pub struct Arguments<'a>(&'a FunctionCallContext<'a>);

impl Arguments<'_> {
    pub fn get<T: FromNapiValue>(&self, index: usize) -> Result<T> {
        self.0.get(index)
    }

    pub fn bytes(&self, index: usize) -> Result<&[u8]> {
        self.get(index)
    }

    /// Memory to write to: an argument of its own, that shares nothing with another one of the call.
    pub fn window(&self, index: usize) -> Result<&mut [u8]> {
        self.get(index)
    }

    pub fn position(&self, index: usize) -> Result<usize> {
        self.get::<u32>(index).map(|position| position as usize)
    }
}

pub fn reason(error: impl std::fmt::Display) -> Error {
    Error::from_reason(error.to_string())
}

/// JavaScript's form of a position that may not exist.
pub fn length(length: Option<usize>) -> i32 {
    length.and_then(|length| i32::try_from(length).ok()).unwrap_or(-1)
}

/// Writes each value to its index; a value that has no place is left out.
pub fn store<const N: usize>(values: [(usize, usize); N], out: &mut [u32]) {
    for (index, value) in values {
        if let Some(place) = out.get_mut(index) {
            *place = value as u32;
        }
    }
}
