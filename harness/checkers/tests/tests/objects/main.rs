//! Checkers of single objects against the definition, on all small histories and on many larger ones.

mod definition;
