"""Upstream's own decode at the public size: transformers' text half of GlmImageForConditionalGeneration over random
bf16 weights, one token after another, to compare our step with.  transformers_prior.py [--batch N] [--tokens N]"""
import argparse
import time

import torch
import transformers
from transformers.models.glm_image.configuration_glm_image import GlmImageTextConfig
from transformers.models.glm_image.modeling_glm_image import GlmImageTextModel

CONFIG = dict(
    hidden_size=4096, intermediate_size=13696, num_hidden_layers=40, num_attention_heads=32, num_key_value_heads=2,
    vocab_size=168064, vision_vocab_size=16512, rms_norm_eps=1e-5, max_position_embeddings=131072,
    rope_parameters=dict(rope_type="default", rope_theta=10000, partial_rotary_factor=0.5, mrope_section=[8, 12, 12]))
PROMPT = 200


def copy_bandwidth(device):
    source = torch.randn(2**29, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(15):
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(10):
            target.copy_(source)
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 10)
    return 2 * source.nbytes / (sorted(times)[len(times) // 2] * 1e-3)


def build(device, **changes):
    config = GlmImageTextConfig(**{**CONFIG, **changes})
    config._attn_implementation = "sdpa"
    with torch.device("meta"):
        model = GlmImageTextModel(config)
        head = torch.nn.Linear(config.hidden_size, config.vision_vocab_size, bias=False)
    model = model.to(torch.bfloat16).to_empty(device=device)
    head = head.to(torch.bfloat16).to_empty(device=device)
    for name, parameter in [*model.named_parameters(), *head.named_parameters()]:
        parameter.data.normal_(1.0 if "norm" in name else 0.0, 0.02)
    # to_empty leaves the frequencies, which are no parameters, unset.
    model.rotary_emb = type(model.rotary_emb)(config).to(device)
    return model.eval(), head


@torch.inference_mode()
def decode(model, head, batch, tokens, device):
    """Seconds of each token, of its launches too, as generate() goes: forward, head, a draw."""
    ids = torch.randint(0, 16384, (batch, PROMPT), device=device)
    out = model(input_ids=ids, use_cache=True)
    cache = out.past_key_values
    seconds = []
    logits = head(out.last_hidden_state[:, -1])
    for _ in range(tokens):
        if device == "cuda":
            torch.cuda.synchronize()
        begin = time.perf_counter()
        token = torch.multinomial(torch.softmax(logits.float() / 0.9, -1), 1)
        out = model(input_ids=token, past_key_values=cache, use_cache=True)
        logits = head(out.last_hidden_state[:, -1])
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    assert torch.isfinite(logits).all()
    return sorted(seconds)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--batch", type=int, default=1)
    arguments.add_argument("--tokens", type=int, default=64)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--small", action="store_true", help="a tiny model, to try this script")
    a = arguments.parse_args()
    torch.manual_seed(1)
    bandwidth = None
    if a.device == "cuda":
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, transformers {transformers.__version__}")
        bandwidth = copy_bandwidth(a.device)
        torch.cuda.empty_cache()
        print(f"copy {bandwidth * 1e-9:.0f} GB/s (read and written)")
    changes = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=2,
                   vocab_size=20000, pad_token_id=0) if a.small else {}
    model, head = build(a.device, **changes)
    embedding = model.embed_tokens.weight.nbytes
    weights = sum(p.nbytes for p in model.parameters()) - embedding + head.weight.nbytes
    decode(model, head, a.batch, 4, a.device)
    seconds = decode(model, head, a.batch, a.tokens, a.device)
    median = seconds[len(seconds) // 2]
    print("| decode | batch | ms a token (median, least) | GB/s of weights | % of copy |\n|---|---|---|---|---|")
    share = f"{100 * weights / median / bandwidth:.1f}" if bandwidth else ""
    print(f"| transformers {transformers.__version__}, sdpa, bf16, {weights * 1e-9:.2f} GB | {a.batch} | "
          f"{1e3 * median:.2f}, {1e3 * seconds[0]:.2f} | {weights / median * 1e-9:.0f} | {share} |")


if __name__ == "__main__":
    main()
