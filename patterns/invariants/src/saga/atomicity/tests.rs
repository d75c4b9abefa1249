//! Histories by hand, and what is wrong with them.

use super::{
    super::script::{POOLS, STEPS, Script},
    *,
};

fn breach(script: &Script) -> Option<&'static str> {
    script.judge(&mut SagaAtomicity::new(&STEPS, &POOLS))
}

fn forward(steps: usize) -> Script {
    (0..steps).fold(Script::started("s"), |script, i| script.done("s", STEPS[i]))
}

#[test]
fn a_completed_saga_passes_and_counts() {
    let mut invariant = SagaAtomicity::new(&STEPS, &POOLS);
    let script = forward(5).saga("completed", "s", None);
    assert_eq!(script.judge(&mut invariant), None);
    assert_eq!(invariant.exercised(), 1);
}

#[test]
fn a_refused_saga_undone_in_reverse_passes() {
    let script = forward(2)
        .saga("step_intended", "s", Some("charge"))
        .saga("step_refused", "s", Some("charge"))
        .undone("s", "reserve")
        .undone("s", "create_order")
        .saga("compensated", "s", None);
    assert_eq!(breach(&script), None);
}

#[test]
fn a_step_in_doubt_is_voided() {
    let script = forward(1)
        .saga("step_intended", "s", Some("reserve"))
        .saga("step_unknown", "s", Some("reserve"))
        .event("participant.voided", "s", Some("reserve"))
        .saga("step_compensated", "s", Some("reserve"))
        .undone("s", "create_order")
        .saga("compensated", "s", None);
    assert_eq!(breach(&script), None);
    assert_eq!(breach(&script.effect("applied", "s", "reserve", 1)), Some("late_effect"));
}

#[test]
fn what_a_commit_came_to_that_failed_shows_later() {
    let failed =
        || forward(2).saga("step_intended", "s", Some("charge")).effect("uncertain", "s", "charge", 30);
    let done = |script: Script| {
        let charged = script.saga("step_done", "s", Some("charge"));
        STEPS[3..].iter().fold(charged, |script, step| script.done("s", step)).saga("completed", "s", None)
    };
    let repeated = failed().event("participant.repeated", "s", Some("charge"));
    assert_eq!(breach(&done(repeated.clone())), None);
    assert_eq!(breach(&repeated.effect("applied", "s", "charge", 30)), Some("double_effect"));
    assert_eq!(breach(&done(failed().effect("applied", "s", "charge", 30))), None);
    assert_eq!(breach(&done(failed())), Some("half_done"), "nobody has seen that it took effect");
    let undone = |script: Script| {
        let back = ["reserve", "create_order"].iter().fold(script, |script, step| script.undone("s", step));
        back.saga("compensated", "s", None)
    };
    assert_eq!(breach(&undone(failed().undone("s", "charge"))), None);
    let voided = failed().event("participant.voided", "s", Some("charge"));
    assert_eq!(breach(&undone(voided.saga("step_compensated", "s", Some("charge")))), None);
    let in_doubt = forward(3).effect("uncertain", "s", "charge", -30);
    let already = in_doubt.clone().saga("step_compensated", "s", Some("charge"));
    assert_eq!(breach(&undone(already)), None);
    assert_eq!(breach(&undone(in_doubt.undone("s", "charge"))), None);
    let twice_in_doubt = failed().effect("uncertain", "s", "charge", -30);
    let already = twice_in_doubt.clone().saga("step_compensated", "s", Some("charge"));
    assert_eq!(breach(&undone(already)), None);
    assert_eq!(breach(&undone(twice_in_doubt.undone("s", "charge"))), None);
}

#[test]
fn a_coordinator_may_find_more_in_its_log_than_it_has_told() {
    let failed =
        || forward(1).saga("step_intended", "s", Some("reserve")).effect("applied", "s", "reserve", 1);
    let next = |script: Script| script.saga("step_intended", "s", Some("charge"));
    assert_eq!(breach(&next(failed())), Some("step_out_of_order"));
    assert_eq!(breach(&next(failed().saga("resumed", "s", Some("charge")))), Some("step_out_of_order"));
    assert_eq!(breach(&next(failed().ended().saga("resumed", "s", Some("charge")))), None);
    assert_eq!(breach(&next(failed().ended())), Some("step_out_of_order"), "it has not said so");
}

#[test]
fn a_coordinator_may_find_in_its_log_that_it_goes_back() {
    let under_way = || forward(1).saga("step_intended", "s", Some("reserve"));
    let taken_up = |script: Script| script.ended().saga("resumed", "s", Some("create_order"));
    let undo = |script: Script| script.undone("s", "create_order");
    let back = |script: Script| undo(script).saga("compensated", "s", None);
    assert_eq!(breach(&undo(under_way())), Some("out_of_order"));
    assert_eq!(breach(&back(taken_up(under_way()))), None, "it was refused");
    let took_effect = || under_way().effect("applied", "s", "reserve", 1);
    let undoes = taken_up(took_effect()).effect("undone", "s", "create_order", 1);
    assert_eq!(breach(&undoes), Some("out_of_order"), "it was not");
    let late = taken_up(under_way()).effect("applied", "s", "reserve", 1);
    assert_eq!(breach(&late), Some("late_effect"));
    let undone = || took_effect().effect("undone", "s", "reserve", 1);
    assert_eq!(breach(&undo(undone())), Some("out_of_order"));
    assert_eq!(breach(&back(taken_up(undone()))), None, "it is compensated");
}

#[test]
fn a_coordinator_may_find_in_its_log_that_nothing_is_left() {
    let first = || Script::started("s").saga("step_intended", "s", Some("create_order"));
    let taken_up = |script: Script| script.ended().saga("resumed", "s", Some("create_order"));
    let over = |script: Script| script.saga("compensated", "s", None);
    assert_eq!(breach(&over(first())), Some("skipped_compensation"));
    assert_eq!(breach(&over(taken_up(first()))), None, "it was refused");
    let took_effect = first().effect("applied", "s", "create_order", 1);
    assert_eq!(breach(&over(taken_up(took_effect.clone()))), Some("not_undone"));
    let undone = took_effect.effect("undone", "s", "create_order", 1);
    assert_eq!(breach(&over(taken_up(undone))), None, "it is compensated");
}

#[test]
fn ends_that_are_neither_all_nor_nothing() {
    assert_eq!(breach(&forward(4).saga("completed", "s", None)), Some("half_done"));
    assert_eq!(breach(&forward(3).saga("compensated", "s", None)), Some("not_undone"));
    let skipped =
        Script::started("s").saga("step_intended", "s", Some("create_order")).saga("compensated", "s", None);
    assert_eq!(breach(&skipped), Some("skipped_compensation"));
    let twice = forward(5).saga("completed", "s", None).saga("compensated", "s", None);
    assert_eq!(breach(&twice), Some("two_ends"));
}

#[test]
fn a_time_out_taken_for_a_refusal() {
    let timed_out = forward(2).saga("step_intended", "s", Some("charge"));
    let executed = timed_out.clone().effect("applied", "s", "charge", 1);
    assert_eq!(breach(&executed.saga("step_refused", "s", Some("charge"))), Some("refused_but_effective"));
    let late = timed_out.saga("step_refused", "s", Some("charge")).effect("applied", "s", "charge", 1);
    assert_eq!(breach(&late), Some("late_effect"));
}

#[test]
fn a_compensation_reported_and_not_made() {
    let script = forward(3).saga("step_compensated", "s", Some("charge"));
    assert_eq!(breach(&script), Some("not_undone"));
}

#[test]
fn compensations_in_the_order_of_the_steps() {
    let script = forward(3);
    assert_eq!(breach(&script.clone().effect("undone", "s", "create_order", 1)), Some("out_of_order"));
    let in_doubt = forward(1)
        .saga("step_intended", "s", Some("reserve"))
        .effect("undone", "s", "create_order", 1)
        .saga("step_compensated", "s", Some("create_order"));
    assert_eq!(breach(&in_doubt), Some("out_of_order"));
}

#[test]
fn compensations_without_ground() {
    let untried = forward(1).saga("step_compensated", "s", Some("reserve"));
    assert_eq!(breach(&untried), Some("groundless_compensation"));
    let twice = forward(1).undone("s", "create_order").effect("undone", "s", "create_order", 1);
    assert_eq!(breach(&twice), Some("undone_without_effect"));
    let completed = forward(5).saga("completed", "s", None).effect("undone", "s", "confirm_order", 0);
    assert_eq!(breach(&completed), Some("undone_after_completed"));
}

#[test]
fn steps_and_effects_out_of_place() {
    assert_eq!(
        breach(&Script::started("s").saga("step_intended", "s", Some("charge"))),
        Some("step_out_of_order")
    );
    assert_eq!(
        breach(&Script::started("s").effect("applied", "s", "create_order", 1)),
        Some("unlogged_effect")
    );
    assert_eq!(breach(&forward(1).effect("applied", "s", "create_order", 1)), Some("double_effect"));
    let turned = forward(1).undone("s", "create_order").saga("step_intended", "s", Some("reserve"));
    assert_eq!(breach(&turned), Some("step_after_turn"));
    let over = forward(5).saga("completed", "s", None).saga("step_intended", "s", Some("reserve"));
    assert_eq!(breach(&over), Some("step_after_end"));
}

#[test]
fn money_that_comes_from_nowhere() {
    let paid = Script::default()
        .restored("payments", 0, 100)
        .saga("started", "s", None)
        .done("s", "create_order")
        .done("s", "reserve")
        .saga("step_intended", "s", Some("charge"));
    let good = paid.clone().charged("s", 30, 30, 70);
    assert_eq!(breach(&good), None);
    assert_eq!(breach(&paid.clone().charged("s", 30, 30, 100)), Some("not_conserved"));
    assert_eq!(breach(&paid.charged("s", 30, 60, 40)), Some("not_conserved"));
    assert_eq!(breach(&good.restored("payments", 0, 70)), Some("not_conserved"));
}
