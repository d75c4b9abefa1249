//! The faults of the language, through specs: what each kind does to a small system, that its heal undoes just that, and what
//! holds for all of them: stacking, limits, partial heals, draws that do not disturb each other.

mod calls;
mod clock;
mod determinism;
mod disk;
mod draws;
mod heal;
mod limits;
mod messages;
mod netsim;
mod network;
mod partition;
mod process;
mod register;
mod rig;
mod stacking;
mod told;
mod topology;
mod zones;
