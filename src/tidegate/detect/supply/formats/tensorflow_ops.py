"""Which operators a TensorFlow graph may hold, and what the others can do.

Every operator of the registry is either listed as harmless (``names/tensorflow.txt``) or in one of
the sets below; what is in neither needs a library of its own.
"""

from functools import lru_cache
from importlib import resources
from typing import Final

from tidegate.detect.supply.formats.word_set import words

RUNS: Final = words("""
    PyFunc PyFuncStateless EagerPyFunc XlaCustomCall XlaCustomCallV2 RemoteCall RpcCall
    RpcCheckStatus RpcClient RpcGetValue RpcServer RpcServerRegister RpcServerStart
    DeleteRpcFutureResource
""")
"""They run Python or native code, or call another machine."""
FILES: Final = words("""
    ReadFile WriteFile MatchingFiles MatchingFilesDataset ExperimentalMatchingFilesDataset
    FixedLengthRecordReader FixedLengthRecordReaderV2 TextLineReader TextLineReaderV2
    TFRecordReader TFRecordReaderV2 WholeFileReader WholeFileReaderV2 LMDBReader CSVDataset
    CSVDatasetV2 ExperimentalCSVDataset SqlDataset ExperimentalSqlDataset LMDBDataset
    ExperimentalLMDBDataset TextLineDataset TFRecordDataset TFRecordDatasetV2
    FixedLengthRecordDataset FixedLengthRecordDatasetV2 LoadDataset SaveDataset SaveDatasetV2
    SnapshotDataset SnapshotDatasetV2 SnapshotChunkDataset ListSnapshotChunksDataset
    SnapshotDatasetReader SnapshotNestedDatasetReader DatasetToTFRecord
    ExperimentalDatasetToTFRecord CacheDataset CacheDatasetV2 LoadAndRemapMatrix
    GenerateVocabRemapping CreateSummaryFileWriter CreateSummaryDbWriter
    StatsAggregatorSetSummaryWriter ImportEvent DumpTensor DistributedSave DataServiceDataset
    DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 RegisterDataset
    RegisterDatasetV2 FileSystemSetConfiguration CalibrationStatisticsSaver DTensorRestoreV2
    DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary
    DebugNumericSummaryV2
""")
"""They read or write files, or reach the network, at a place that the graph or a request names."""
CHECKPOINT: Final = words("""
    Save SaveV2 SaveSlices Restore RestoreV2 RestoreSlice MergeV2Checkpoints
""")
"""They save and restore variables: in every saved model, at a place that the caller names."""
TABLES: Final = words("InitializeTableFromTextFile InitializeTableFromTextFileV2")
"""They read a vocabulary: in order where it is one of the model's assets."""
UNREAD: Final = words("""
    XlaCallModule DatasetFromGraph TPUCompile TPUExecute TPUExecuteAndUpdateVariables
""")
"""They hold a program in a form that is not examined."""
_OTHER_UNREAD: Final = words("TRTEngineOp RemoteFusedGraphExecute XlaLaunch XlaLaunchV2")


@lru_cache(maxsize=1)
def harmless() -> frozenset[str]:
    """Return the operators that only compute."""
    text = (
        resources.files("tidegate.detect.supply.formats")
        .joinpath("names", "tensorflow.txt")
        .read_text("utf-8")
    )
    return frozenset(name for line in text.splitlines() if line[:1] != "#" for name in line.split())


def unread(operator: str) -> bool:
    """Tell whether an operator holds a program in a form that is not examined."""
    return operator in UNREAD or operator in _OTHER_UNREAD


def judge(operator: str) -> tuple[str, str] | None:
    """Return the rule that an operator breaks by being there, and why; ``None`` for no rule.

    >>> judge("MatMul"), judge("PyFunc")
    (None, ('graph-operator', 'runs foreign code'))
    >>> judge("MyOp")
    ('custom-code', 'needs code from elsewhere')
    """
    if operator in RUNS:
        return "graph-operator", "runs foreign code"
    if operator in FILES:
        return "graph-operator", "reaches files or the network"
    known = operator in CHECKPOINT or operator in TABLES or unread(operator)
    return None if known or operator in harmless() else ("custom-code", "needs code from elsewhere")
