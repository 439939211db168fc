"""What a node of a graph calls to sample: functions, and a LangChain chat model."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config

from environment.graphs.call import GraphCall, call_in
from environment.pipelines.chat import Chat
from tools.errors import InvalidInput, PipelineError


async def sample(chat: Chat, *, node: str | None = None, config: RunnableConfig | None = None) -> Any:
    """The output of the node's samples of a prompt, parsed and made one as the node declares.

    Without `node` it is the node that calls. `config` is the node's own; it is found without being
    handed over. Raises PipelineError where agenttts does not run the graph.
    """
    call, name = _running(node, config)
    return await call.sample(name, chat)


def sample_in_thread(chat: Chat, *, node: str | None = None, config: RunnableConfig | None = None) -> Any:
    """`sample` for a node that is a plain function."""
    call, name = _running(node, config)
    return call.sample_in_thread(name, chat)


def chat_model(default: BaseChatModel | None = None, *, node: str | None = None) -> BaseChatModel:
    """A LangChain chat model that answers with the calling node's output while agenttts runs the graph.

    Everywhere else `default` answers, so that the graph works as before. Build it once, in a node or
    outside of it. It gives texts: tools and structured output stay with `default`.
    """
    return NodeChatModel(default=default, node=node)


class NodeChatModel(BaseChatModel):
    """See chat_model."""

    default: BaseChatModel | None = None
    node: str | None = None

    @property
    def _llm_type(self) -> str:
        return "agenttts"

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = call_in(_config())
        if call is None:
            return _result(await self._fallback().ainvoke(messages, stop=stop, **kwargs))
        self._refuse(stop, kwargs)
        return _result(_message(await sample(messages, node=self.node)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = call_in(_config())
        if call is None:
            return _result(self._fallback().invoke(messages, stop=stop, **kwargs))
        self._refuse(stop, kwargs)
        return _result(_message(sample_in_thread(messages, node=self.node)))

    def _fallback(self) -> BaseChatModel:
        if self.default is None:
            raise PipelineError("agenttts does not run this graph, and chat_model() was given no default model")
        return self.default

    @staticmethod
    def _refuse(stop: list[str] | None, kwargs: dict[str, Any]) -> None:
        if stop or kwargs:
            named = ", ".join(["stop"] * bool(stop) + sorted(kwargs))
            raise InvalidInput(named, "is decided where the node is declared, not where it calls; take it out")


def _running(node: str | None, config: RunnableConfig | None) -> tuple[GraphCall, str]:
    config = config or _config()
    call = call_in(config)
    if config is None or call is None:
        raise PipelineError("agenttts does not run this graph: sample() works in a graph of a GraphPipeline alone")
    return call, node or call.declared_node(config)


def _config() -> RunnableConfig | None:
    try:
        return get_config()
    except RuntimeError:
        return None


def _message(output: Any) -> AIMessage:
    text = "" if output is None else output if isinstance(output, str) else json.dumps(output, default=str)
    return AIMessage(text)


def _result(message: BaseMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
