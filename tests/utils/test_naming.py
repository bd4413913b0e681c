"""Automatic names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn.utils.naming import auto_name, clear_session, get_object_name, to_snake_case


@pytest.fixture(autouse=True)
def fresh_names():
    clear_session(free_memory=False)
    yield
    clear_session(free_memory=False)


@pytest.mark.parametrize(
    "name, snake",
    [
        ("LSTM", "lstm"),
        ("SimpleRNN", "simple_rnn"),
        ("GRU", "gru"),
        ("LSTMCell", "lstm_cell"),
        ("StackedRNNCells", "stacked_rnn_cells"),
        ("TimeDistributed", "time_distributed"),
        ("BatchNormalization", "batch_normalization"),
        ("Conv2D", "conv2d"),
        ("MyLSTM2Layer", "my_lstm2_layer"),
        ("lstm", "lstm"),
    ],
)
def test_a_class_name_becomes_a_variable_name(name, snake):
    assert to_snake_case(name) == snake


@given(st.text("aBcDeFgH12_", min_size=1))
def test_a_name_in_snake_case_stays_as_it_is(name):
    once = to_snake_case(name)
    assert once == once.lower() == to_snake_case(once)


@given(st.lists(st.sampled_from(["LSTM", "Dense", "GRU"]), max_size=20))
def test_no_automatic_name_is_given_twice(classes):
    names = [auto_name(c) for c in classes]
    assert len(set(names)) == len(names)


def test_the_first_name_has_no_number_and_clear_session_starts_again():
    assert [auto_name("LSTM") for _ in range(3)] == ["lstm", "lstm_1", "lstm_2"]
    clear_session()
    assert auto_name("LSTM") == "lstm"


def test_the_name_of_an_object_is_its_own_or_its_functions_or_its_classes():
    class MyLoss:
        pass

    named = MyLoss()
    named.name = "mine"
    assert [get_object_name(x) for x in (named, MyLoss(), auto_name)] == ["mine", "my_loss", "auto_name"]
