"""Recurrent layers and cells, one file for each class of Keras's.

Reading order: `state.py`, `rnn.py`, `stacked_rnn_cells.py`, `dropout_rnn_cell.py`, `built_in.py`, `lstm.py`,
`gru.py`, `simple_rnn.py`, `bidirectional.py`, `time_distributed.py`.
"""
