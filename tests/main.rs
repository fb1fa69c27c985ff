//! What Transom promises, tried with real parts: the built command, real video, the real model, real guests.

mod support;

mod bad_input;
mod fastestdet;
mod faults;
mod people_counter;
mod pictures;
mod rtsp;
mod run;
mod view;
