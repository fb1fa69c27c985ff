//! What Transom promises, tried with real parts: the built command, real video, the real model, real guests.

mod support;

mod apps;
mod bad_input;
mod compiled;
mod fastestdet;
mod faults;
mod grants;
mod model;
mod people_counter;
mod pictures;
mod ports;
mod prove;
mod rtsp;
mod run;
mod secrets;
mod view;
mod zoo;
