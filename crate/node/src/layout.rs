use mi_httpd_core::layout::LAYOUT;
use napi_derive::napi;
use std::collections::HashMap;

/// The numbers that the sources of this addon share with JavaScript, to be compared with those of src/native/layout.ts.
#[napi(catch_unwind, ts_return_type = "Record<string, Record<string, number>>")]
pub fn layout() -> HashMap<&'static str, HashMap<String, i32>> {
    let members = |members: &[(&str, i32)]| {
        members
            .iter()
            .map(|(name, number)| (camel_case(name), *number))
            .collect()
    };
    LAYOUT.iter().map(|(name, group)| (*name, members(group))).collect()
}

fn camel_case(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}
