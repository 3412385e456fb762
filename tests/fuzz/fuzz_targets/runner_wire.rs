//! Fuzzes `runner_wire` of `targets.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tripline_fuzz::runner_wire(data));
