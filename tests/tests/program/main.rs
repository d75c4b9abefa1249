//! The program from outside: what its commands print and with which code they end, whatever the code under test does to its
//! process.
//!
//! This executable is its own subject. Started by a test with [`ROLE`] set, it is a `squall` binary, or the `main` of a test target, with
//! the systems of this crate, or those that ship.

use std::{env, process::ExitCode};

use libtest_mimic::{Arguments, Trial};

mod asked;
mod blame;
mod commands;
mod determinism;
mod diff;
mod harm;
mod journal;
mod judge;
mod readme;
mod schema;
mod shrink;
mod strategies;
mod subject;
mod terminal;
mod testing;
mod tricks;
mod verdicts;

/// Which `main` this executable is.
const ROLE: &str = "SQUALL_TESTS_ROLE";

/// Lists test functions by name.
macro_rules! trials {
    ($($module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        vec![$($(Trial::test(concat!(stringify!($module), "::", stringify!($name)), || { $module::$name(); Ok(()) })),*),*]
    };
}

fn main() -> ExitCode {
    match env::var(ROLE).as_deref() {
        Ok("squall") => return squall::cli::main(squall_tests::registry().built_from("gremlins")),
        Ok("systems") => return squall::cli::main(squall_systems::registry()),
        Ok("specs") => return squall::testing::main(squall_tests::registry(), subject::specs_under_test()),
        _ => {}
    }
    let mut tests = trials! {
        asked::{
            wherever_a_system_ends_its_process_that_spec_is_undecided,
            whatever_a_system_does_when_it_is_asked_is_told,
            a_campaign_that_is_gone_on_with_knows_what_it_could_not_read,
            no_command_ends_as_if_all_were_well,
            no_command_waits_for_ever,
            a_test_fails_and_says_why,
            a_step_of_shrinking_that_harms_its_process_is_left_out,
            a_strategy_without_an_end_comes_to_one,
            a_strategy_that_ends_its_process_costs_the_runs_it_draws,
            in_process_a_verdict_is_not_cut_short,
            in_process_a_verdict_is_told,
            without_an_output_there_is_no_verdict,
        },
        blame::{
            either_of_two_faults_suffices,
            any_of_three_faults_suffices,
            one_fault_and_either_of_two,
            a_cause_that_is_alone_is_needed,
            a_fault_that_strikes_again_is_needed,
            a_search_that_is_cut_short_says_so,
        },
        commands::{
            bad_usage_and_bad_specs_are_2,
            nothing_selected_is_4,
            check_accepts_and_refuses,
            names_of_before_are_told_with_those_of_today,
            describe_a_system,
            describe_faults,
            explain_is_yaml_and_always_the_same,
            what_explain_prints_is_a_spec_of_that_run,
            what_is_not_there_is_named_with_what_is,
            a_plan_has_its_own_run_only,
            a_file_is_not_written_over,
            a_path_of_two_lines_is_refused,
            list_shows_systems_and_specs,
            schema_is_json,
            the_version_says_what_it_was_built_from,
            a_reader_that_goes_away_is_no_panic,
        },
        judge::{
            a_history_is_legal_illegal_or_unknown,
            a_single_property_is_judged,
            an_illegal_history_is_explained_and_drawn,
            what_cannot_be_read_is_2_with_its_place,
            what_clients_saw_in_a_run_is_drawn,
        },
        verdicts::{
            as_expected_is_0,
            a_violation_is_1_and_is_told,
            an_invariant_reads_what_is_called_otherwise,
            a_condition_reads_what_is_called_otherwise,
            what_is_called_otherwise_must_be_there,
            replay_shows_the_same_violation_every_time,
            replay_narrows_what_it_shows,
            a_flaw_is_caught,
            a_flaw_that_is_not_caught_is_1,
            another_failure_than_expected_is_1,
            a_flaw_hardly_looked_for_is_3,
            vacuous_is_5,
            time_that_is_up_is_3,
            json_is_one_object_a_line,
            max_failures_stops,
            a_matrix_is_several_specs,
            the_last_seed_is_a_seed,
            what_cannot_fail_is_vacuous_however_few_runs_there_are,
            a_note_is_for_people_too,
            a_network_that_no_fault_acts_on_is_3,
            the_vacuity_of_a_fault_says_why,
            a_failure_of_two_cases_is_told_once,
        },
        harm::{
            whatever_a_run_does_costs_that_run_only,
            what_code_under_test_prints_and_reads_does_not_reach_the_protocol,
            what_a_dying_run_prints_stands_in_its_history,
            the_last_words_of_a_process_are_reported,
            what_a_run_does_to_its_streams_harms_nobody,
            whoever_takes_the_worker_s_descriptors_is_named,
            one_death_is_told_in_one_way,
            a_run_that_kills_itself_is_undecided,
            a_worker_that_is_killed_from_outside_costs_nothing,
            what_a_worker_started_ends_with_it,
            a_worker_without_a_parent_says_so,
            a_program_that_is_replaced_goes_on_as_it_was,
            in_process_runs_too,
            replay_of_a_run_that_aborts,
            a_run_that_is_killed_tells_how_far_it_got,
            a_run_that_takes_too_much_memory_is_named,
            workers_end_with_their_parent,
            an_interrupt_ends_with_what_there_is,
        },
        determinism::{
            the_same_seed_gives_the_same_digest_everywhere,
            the_report_does_not_depend_on_the_number_of_workers,
            a_leak_within_a_process_is_70,
            a_leak_between_processes_is_70,
            what_outlives_a_run_is_70_with_any_number_of_workers,
            a_violation_that_depends_on_the_runs_before_is_70,
            what_shows_after_some_runs_only_is_70,
            a_difference_that_does_not_recur_is_told,
            in_process_says_what_it_cannot_see,
        },
        diff::{
            a_future_is_the_same_run_up_to_its_moment,
            a_future_is_as_reproducible_as_any_run,
            what_is_left_out_comes_to_its_moment_and_does_nothing,
            what_was_to_come_is_drawn_anew,
            faults_that_wait_for_events_wait_for_later_ones,
            two_runs_part_at_the_first_record_that_differs,
            the_plans_of_two_runs_are_compared,
            two_specs_are_compared,
            without_a_neighbour_diff_is_4,
            a_failure_that_no_fault_has_part_in,
            the_known_culprit_is_blamed,
        },
        journal::{
            killed_ten_times_it_ends_with_the_same_report,
            each_strategy_goes_on_with_the_same_runs,
            what_a_person_reads_is_the_same_too,
            nondeterminism_stays_what_it_was_found_to_be,
            a_last_line_torn_at_any_byte_is_cut_off,
            damage_in_the_middle_is_named_by_its_line,
            a_journal_has_one_campaign_at_a_time,
            a_journal_that_holds_nothing_is_begun_again,
            what_is_run_is_what_the_journal_says,
            a_spec_that_has_changed_is_named,
            an_end_before_the_end_says_how_to_go_on,
            a_journal_that_cannot_be_written_leaves_the_rest_undecided,
            output_that_cannot_be_written_ends_it_and_the_journal_is_kept,
            only_a_regular_file_is_gone_on_with,
        },
        readme::{
            commands_work_in_a_fresh_clone,
            every_command_that_is_named_is_there,
        },
        terminal::{
            nothing_that_is_printed_acts_on_a_terminal,
            a_line_of_a_history_is_one_line,
            diagnostics_show_hostile_specs_and_no_more,
        },
        schema::{
            every_spec_is_valid_in_an_editor,
            an_editor_knows_the_names_of_each_system,
        },
        shrink::{
            a_plan_written_out_makes_the_same_run,
            what_is_left_is_a_spec_that_fails_the_same_way,
            what_is_left_is_made_simple,
            a_plan_says_which_run_it_was_made_of,
            run_makes_each_failure_small_and_says_how_to_keep_it,
            run_tells_of_the_small_run,
            targets_that_are_drawn_become_nodes_by_name,
            what_does_not_fail_is_not_shrunk,
        },
        strategies::{
            what_is_run_does_not_depend_on_the_number_of_workers,
            a_run_s_name_shows_it_again,
            strategies_take_turns,
            the_spec_says_which_strategy_and_the_command_line_another,
            swarm_leaves_something_out,
            clean_runs_bound_the_chance_of_a_failure,
            a_sweep_says_what_it_covered,
            a_sweep_finds_what_a_single_fault_breaks,
            a_sweep_tries_the_specs_own_faults_from_several_seeds,
            a_sweep_tries_the_specs_own_faults_two_at_a_time,
            bugs_measures_the_same_every_time,
        },
        testing::{
            no_threads_for_tests_is_an_error,
            tests_are_named_by_path,
            tests_run_alone_and_in_all,
            a_failing_test_tells_what_happened_and_how_to_replay_it,
            the_environment_narrows_and_widens,
            a_directory_without_specs_is_an_error,
            the_line_that_replays_needs_no_program,
        },
        tricks::{
            what_cannot_be_simulated_is_refused_in_one_line,
            a_task_that_yields_comes_back,
            a_panic_is_told_with_its_own_place,
            a_panic_of_a_part_names_the_part,
            a_backtrace_comes_when_it_is_asked_for,
            who_blinds_the_harness_is_named,
            an_invariant_that_reports_is_named,
            an_invariant_may_say_any_number,
            the_panic_that_ends_a_process_is_told,
            a_worker_that_has_itself_traced_can_be_ended,
            what_a_run_leaves_in_its_process_is_no_other_specs,
            who_hangs_is_told_with_the_place_of_its_task,
            a_stack_that_calls_can_leave_is_read_and_overflows_as_any_other,
            tasks_that_nothing_can_wake_are_told,
            random_numbers_of_the_kernel_are_the_seed_s,
            what_a_service_logs_is_told_and_changes_nothing,
        },
    };
    tests.extend(shrink::flaws());
    tests.extend(blame::flaws());
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
