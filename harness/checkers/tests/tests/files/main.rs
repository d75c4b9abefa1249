//! Histories as files have them: read, judged, and refused with their place.

mod formats;
mod judged;
mod properties;
