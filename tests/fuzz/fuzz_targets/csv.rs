//! Fuzzes `csv` of `targets.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tripline_fuzz::csv(data));
