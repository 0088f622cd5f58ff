# SPDX-License-Identifier: Apache-2.0
"""Agents of Google's Agent Development Kit: Beam's handler, with sessions that can go on."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Optional

from apache_beam.ml.inference import agent_development_kit, base

from beambridge_host.inference.providers import provider


class AgentHandler(agent_development_kit.ADKAgentModelHandler, base.ModelHandler[str, base.PredictionResult, Any]):
  """Takes the user's text, gives the text of the agent's final answer."""

  @staticmethod
  async def _invoke_agent(runner: Any, user_id: str, session_id: str, app_name: str, message: Any) -> Optional[str]:
    # Beam looks for the session with an argument that is refused, and so never finds it.
    sessions = runner.session_service
    if await sessions.get_session(app_name=app_name, user_id=user_id, session_id=session_id) is None:
      await sessions.create_session(app_name=app_name, user_id=user_id, session_id=session_id)
    async for event in runner.run_async(user_id=user_id, session_id=session_id, new_message=message):
      if event.is_final_response():
        parts = event.content.parts if event.content else None
        if parts:
          return ''.join(part.text or '' for part in parts)
        break
    raise ValueError(f'the agent {runner.agent.name} gave no answer')


@provider(functions=['agent', 'session_service_factory'])
def adk(
    *, agent: Any, app_name: str = 'beam_inference', session_service_factory: Any = None, **options: Any) -> AgentHandler:
  """A handler of texts for the agent that a function makes."""
  return AgentHandler(agent, app_name, session_service_factory, **options)
