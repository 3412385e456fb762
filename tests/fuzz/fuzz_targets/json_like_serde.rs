//! Fuzzes `json_like_serde` of `targets.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tripline_fuzz::json_like_serde(data));
