//! References between documents, filters, digests, the `tripline` key.
use super::*;
